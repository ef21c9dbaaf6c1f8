"""An example for each command's page of help. A test asks for one of each, and whether the command understands it."""

from typing import Final

import click

BENCHMARKS = "all api audience crawl endtoend fairness fanout gateway growth match neighbour notify store"
EXAMPLES: Final = {
    "start": "--no-demo",
    "status": "--watch 10",
    "crawl": "notices",
    "posts list": "--site notices --limit 10",
    "posts refan": "17",
    "posts show": "17",
    "posts split": "17",
    "match": '--title "국가장학금 신청 안내" --site notices',
    "notifications drop": "--yes",
    "notifications list": "--user minji --status failed",
    "notifications read": "minji",
    "notifications retry": "",
    "users add": "minji --timezone Asia/Seoul",
    "users export": "users.csv",
    "users import": "users.csv --dry-run",
    "users list": "--limit 0",
    "users pause": "minji",
    "users remove": "minji",
    "users resume": "minji",
    "users show": "minji",
    "devices add": "minji --platform fcm --token TOKEN",
    "devices export": "devices.csv",
    "devices import": "devices.csv --add-users",
    "devices list": "--user minji",
    "devices remove": "3",
    "devices replace": "OLD NEW --platform fcm",
    "phrases suggestions": "",
    "phrases try": "국가장학금 --exclude 마감",
    "subscriptions add": "minji 장학 --site notices --exclude 마감",
    "subscriptions export": "subscriptions.csv",
    "subscriptions import": "subscriptions.csv --dry-run",
    "subscriptions list": "--user minji",
    "subscriptions remove": "5",
    "sites list": "--wide",
    "sites add": "notices --url https://board.example --row tr --title a",
    "sites disable": "notices",
    "sites drop": "notices",
    "sites enable": "notices",
    "sites export": "sites.toml",
    "sites import": "sites.toml --check",
    "sites push": 'notices --title-template "{title}"',
    "sites ready-made": "",
    "sites release": "notices",
    "sites remove": "notices",
    "sites runs": "notices --since 7d --failed",
    "sites schedule": 'notices "*/10 8-20 * * mon-fri"',
    "sites set": "notices --timezone Asia/Seoul",
    "sites show": "notices",
    "sites try": "https://board.example/notices",
    "doctor": "--no-clock",
    "doctor crawling": "",
    "doctor push": "",
    "config show": "--changed",
    "web": "--port 8080",
    "keys add": "backend --scope app",
    "keys list": "",
    "keys revoke": "backend",
    "push test": "--user minji",
    "channels list": "",
    "channels resume": "apns",
    "pause": "crawl --site notices",
    "resume": "crawl --site notices",
    "sweep": "",
    "schedule": "--limit 10",
    "locks list": "",
    "locks release": "--dead",
    "prune": "--dry-run",
    "db backup": "backup.db",
    "db check": "",
    "db restore": "backup.db --force",
    "db upgrade": "",
    "metrics serve": "--port 9809",
    "metrics show": "",
    "alerts test": "",
    "completion": "bash >> ~/.bash_completion",
    "gateway": "--folder gateway --latency-ms 50",
    "board": "--port 8001 --every 30",
    **{f"bench {name}": "" for name in BENCHMARKS.split()},
    "bench soak": "--minutes 10",
    "drill": "--minutes 5 --seed 7",
}
"""The command -> what may follow it."""


def add_examples(path: str, command: click.Command) -> None:
    """Write the example at the end of the help of a command, and of those in a group; a group shows its first."""
    shown = next((each for each in EXAMPLES if each == path or each.startswith(f"{path} ")), None)
    if shown is not None:
        command.epilog = f"\b\nExample:\n  {f'crawlpush {shown} {EXAMPLES[shown]}'.strip()}"
    for name, each in getattr(command, "commands", {}).items():
        add_examples(f"{path} {name}", each)
