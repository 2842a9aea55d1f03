"""What other apps may hear from accounts, which never imports them."""

from django.dispatch import Signal

user_registered = Signal()
"""Sent with `user` inside the transaction that stores a new account: what belongs to it is stored with it.

Of an account that waits for approval: in the transaction that approves it."""

invite_used = Signal()
"""Sent with `user` and `code` inside the transaction that stores a new account: whoever keeps invites counts one use.

Raises NotFoundError for an invite that is no good; then there is no account.
"""

second_factor_removed = Signal()
"""Sent with `user` and `by` (whoever did it), in the transaction in which the second factor goes."""

profile_changing = Signal()
"""Sent with `user` and `texts` before what they show of themselves is stored. A receiver may refuse: what it raises is
the answer."""
app_passwords_revoked = Signal()
"""Sent with `user` and `by`, in the transaction in which somebody else revokes all app passwords of an account."""

user_deleted = Signal()
"""Sent with `user`, nameless already, in the transaction that deletes an account: what belongs to it goes with it."""
