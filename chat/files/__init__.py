"""Files that people send: `receiving` takes them in, `storage` keeps the bytes, `giving` says who may read them,
`sweeping` takes away what is out of reach, `replay` does so again after a restore, `orphans` finds what no row knows,
`carrying` takes bytes along.

The rows are chat.models.files'; that a file belongs to a message is chat.posting's to write.
"""
