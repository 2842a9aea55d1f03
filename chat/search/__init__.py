"""What was said is found: the index of messages is kept, and asked.

The index is chat.models.message_search's, the rules are chat.domain.search's. The keeper, in one process of the cluster
at a time, has it follow what is posted, edited and deleted (indexing); finding answers searches, with the rights of who
asks.
"""
