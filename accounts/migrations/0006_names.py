"""What names are compared by: columns that old workers need not know."""

import accounts.name_columns
import accounts.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_profile'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='username_folded',
            field=accounts.name_columns.FoldedName(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='username_skeleton',
            field=accounts.name_columns.NameSkeleton(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='formername',
            name='name',
            field=models.CharField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name='formername',
            name='skeleton',
            field=models.TextField(null=True),
        ),
        # The database knows neither validators nor help texts: as an AlterField SQLite would copy the table for it.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='user',
                    name='username',
                    field=models.CharField(help_text='2 to 32 letters or digits of one script; upper and lower case name the same account.', max_length=32, unique=True, validators=[accounts.validators.validate_username]),
                ),
            ],
        ),
    ]
