"""Who is not here is told of a message: by web push to their browsers, and by digests to their mail.

A post leaves a row in the outbox; outbox makes notices of it, one per person; due says what becomes of each, webpush
sends. The courier does all that, in one process of the cluster at a time. What people choose: subscriptions,
preferences. The rules are chat.domain.notices'.
"""
