"""`manage.py clusterctl`: ask and order the live cluster, through its run directory.

The one that lives on this data directory needs no name; of several one is named by PORT or --port.

Exit codes: 0 done, 1 refused or failed (in a sentence), 2 called wrongly, 3 no live server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.management.commands.runcluster import MAX_PORT, whole_number
from reaktor.cluster.control import ask
from reaktor.cluster.failures import ClusterError, NotRunningError
from reaktor.cluster.reload_all import reload_all
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.status import as_table
from reaktor.cluster.supervisor import MAX_WORKERS
from reaktor.config.model import Config
from reaktor.process.live_servers import live_servers
from reaktor.wording import counted

STATUS_S = 10.0
NO_LIVE_SERVER = 3


class Command(BaseCommand):
    help = "Show and steer the running cluster: status, reload, scale, restart, hand-over."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        orders = parser.add_subparsers(dest="order", required=True, metavar="status|reload|scale|restart|hand-over")
        status = orders.add_parser("status", help="the workers, the authority, and whether they agree")
        reload = orders.add_parser("reload", help="replace every worker, the new one before the old one goes")
        reload.add_argument("--all", action="store_true", help="on all hosts of this chat, one host after the other")
        scale = orders.add_parser("scale", help="run so many workers from now on")
        scale.add_argument("count", type=whole_number("number of workers", MAX_WORKERS), metavar="N")
        drain = orders.add_parser(
            "restart", aliases=["drain"], help="replace the worker of one slot; its sessions are told to come back"
        )
        drain.add_argument("slot", type=whole_number("slot", MAX_WORKERS))
        hand_over = orders.add_parser("hand-over", help="let another server of this database decide who is where")
        port = whole_number("port", MAX_PORT)
        for order in (status, reload, scale, drain, hand_over):
            order.add_argument("--port", type=port, help="of which server (default: PORT, else the one that runs)")
            order.add_argument("--json", action="store_true", help="print the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        config = self._config(options["port"])
        # Supervisors of all versions know a restart by its old name.
        order = "drain" if options["order"] == "restart" else options["order"]
        request = {"do": order, **{name: options[name] for name in ("count", "slot") if options.get(name)}}
        try:
            answer: Any
            if options.get("all"):
                answer = reload_all(partial(_ask, config), _silent if options["json"] else self._say)
            else:
                answer = _ask(config, request)
        except NotRunningError as error:
            raise CommandError(str(error), returncode=NO_LIVE_SERVER) from error
        except ClusterError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(answer))
        elif not options.get("all"):
            self.stdout.write(self._shown(order, answer))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _config(self, port: int | None) -> Config:
        """The configuration with the port of the server that is meant. Raises CommandError when it can't be known."""
        config: Config = settings.REAKTOR
        if port is not None:
            return replace(config, cluster=replace(config.cluster, port=port, is_port_given=True))
        ports = [server.port for server in live_servers(config)]
        if len(ports) > 1:
            raise CommandError(
                f"Several servers run here, on the ports {', '.join(map(str, ports))}. Say which: --port {ports[0]}.",
                returncode=2,
            )
        return replace(config, cluster=replace(config.cluster, port=ports[0])) if ports else config

    def _shown(self, order: str, answer: dict[str, Any]) -> str:
        match order:
            case "status":
                host = f" of host {answer['host']}" if "host" in answer else ""
                where = f"Reaktor {answer['version']} on port {answer['port']}{host}"
                title = f"{where}: {answer['state']}, {answer['role']} {answer['pid']}"
                return f"{title}\n\n{as_table(answer)}"
            case "scale":
                return f"{counted(answer['workers'], 'worker')} {'serves' if answer['workers'] == 1 else 'serve'}."
            case "hand-over":
                if answer["is_other"]:
                    return f"{answer['holder'] or 'Another server'} decides from now on."
                return "Nobody else took it: this server decides again."
            case _:
                slots = answer["reloaded"]
                named = f"slot {slots[0]}" if len(slots) == 1 else f"slots {', '.join(map(str, slots)) or 'none'}"
                return f"Replaced {counted(len(slots), 'worker')}: {named}."


def _ask(config: Config, request: Mapping[str, Any]) -> Any:
    timeout_s = STATUS_S if request["do"] == "status" else config.cluster.boot_timeout_s * (MAX_WORKERS + 1)
    return ask(RunDir(config.run_dir), dict(request), timeout_s)


def _silent(line: str) -> None:
    """JSON is printed, and nothing else."""
