"""The kill switch, thrown while real actions run on real etcd members under a real supervisord."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from bot.demo.cluster import DemoCluster
from tests.in_memory import memory_folder
from tests.prove.cluster_parts.evidence import kinds
from tests.prove.cluster_parts.siege import besieged
from tests.prove.cluster_parts.site import Site
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.race_parts.history import History
from tests.prove.race_parts.ledger import effects_in
from tests.prove.race_parts.promises import begun_after_kills, begun_wrongly

EACH: Final = 5
"""How many kills one database sees."""
ENOUGH: Final = 20
"""From so many kills on something must have been sent after one of them."""
QUOTA: Final = 2 * 1024 * 1024
"""Small, so that there is room to be made again and again."""


def run(trial: Trial) -> Outcome:
    """Kill."""
    logging.disable()
    outcome, histories = Outcome(), list[History]()
    with memory_folder() as folder, asyncio.Runner() as runner:
        cluster = DemoCluster(quota=QUOTA)
        runner.run(cluster.__aenter__())
        try:
            while outcome.done < trial.count and not outcome.violations:
                kills, seed = min(EACH, trial.count - outcome.done), f"{trial.seed}:{outcome.done}"
                place = folder / str(outcome.done)
                place.mkdir()
                histories.append(_siege(runner, Site.at(cluster, place, seed), kills))
                outcome.violations += [f"{seed}: {one}" for one in _wrong(histories[-1])]
                outcome.done += kills
                trial.progress.at(outcome.done)
        finally:
            runner.run(cluster.__aexit__(None, None, None))
    outcome.notes += _told(histories)
    if outcome.done >= ENOUGH and not any(True for one in histories for _ in begun_after_kills(one)):
        outcome.violations.append("nothing was sent after a kill, so it proves nothing")
    return outcome


def _siege(runner: asyncio.Runner, site: Site, kills: int) -> History:
    runner.run(site.introduced())
    with site.under_load():
        answers = runner.run(besieged(site, kills))
    return History(answers=answers, effects=effects_in(site.ledger), remains=runner.run(site.remains()))


def _wrong(history: History) -> Iterator[str]:
    yield from begun_wrongly(history)
    yield from history.remains.problems


def _told(histories: Sequence[History]) -> Iterator[str]:
    sent = [effect.key for one in histories for effect in one.effects]
    after = [pair for one in histories for pair in begun_after_kills(one)]
    kills = Counter(turn.scope for one in histories for turn in one.turns if turn.stops)
    ran = [proposal for one in histories for proposal in one.remains.proposals if proposal.attempts]
    ended = Counter(f"{one.status.value}{f' ({one.outcome.value})' if one.outcome else ''}" for one in ran)
    names = Counter(one.action_name.partition(".")[2] for one in ran)
    yield f"kills of {', '.join(f'{scope}: {count}' for scope, count in sorted(kills.items()))}"
    yield f"{len(sent):,} sent ({kinds(sent)}); {len(after):,} of them after a kill that lists them"
    yield f"actions: {_counted(names)}; they ended as {_counted(ended)}"


def _counted(what: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(what.items()))


PROOF: Final = Proof(
    name="kill-cluster",
    promise=(
        "On real etcd members under a real supervisord nothing is sent after a kill, of everything or of one subject, "
        "by an action that its answer does not list."
    ),
    count=200,
    unit="kills on a cluster",
    run=run,
    bugs={"no change of mode makes a new epoch": 30, "a kill that does not list what runs": 30},
)
