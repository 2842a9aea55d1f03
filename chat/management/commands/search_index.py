"""The search index: how far it is, made to come now, or made anew. The server keeps it by itself."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from chat.search.indexing import index_forget, index_now, index_state


class Command(BaseCommand):
    help = (
        "Say how far the search index is. --now: index here what is missing, instead of waiting for the server. "
        "--rebuild: forget all of it first; until it is made anew, little is found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--now", action="store_true", help="index here what is missing")
        parser.add_argument("--rebuild", action="store_true", help="forget the index; the server makes it anew")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rebuild"]:
            index_forget()
            self.stdout.write("The index is empty.")
        if options["now"]:
            self.stdout.write(f"{index_now():,} messages were indexed.")
        state = index_state()
        self.stdout.write(
            f"{state.behind:,} channels have changes to be indexed, and {state.older:,} messages of before are to come."
        )
