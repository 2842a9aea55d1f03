from django.db import migrations, models

from reaktor.db.indexes import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('chat', '0025_threads'),
    ]

    operations = [
        AddIndexBeside(
            model_name='message',
            index=models.Index(condition=models.Q(('thread_id__isnull', False)), fields=['thread_id', 'number'], name='message_thread'),
        ),
        AddIndexBeside(
            model_name='message',
            index=models.Index(condition=models.Q(('aside__isnull', False), ('is_aside__isnull', True)), fields=['channel', 'number'], name='message_flow'),
        ),
    ]
