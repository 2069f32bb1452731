"""The actions that an etcd cluster offers. All share one target: two of them at once could take the quorum away."""

from typing import Any

from actions.models import Risk
from actions.registry import ActionDefinition, define
from actions.subjects.etcd.client import COMPACT_WITHIN, DEFRAGMENT_WITHIN
from actions.subjects.etcd.cluster import Cluster
from actions.subjects.etcd.leadership import MoveLeader
from actions.subjects.etcd.observe import CLUSTER
from actions.subjects.etcd.reclaim import ReclaimSpace
from actions.subjects.etcd.space import Compact, Defragment, DisarmAlarm
from actions.subjects.verdicts import cautious

READING: float = 15.0
"""Seconds that the reads around a write may take."""


def etcd_actions(cluster: Cluster) -> tuple[ActionDefinition[Any], ...]:
    """Return the definitions for one cluster."""
    move, defragment, compact = MoveLeader(cluster), Defragment(cluster), Compact(cluster)
    disarm, reclaim = DisarmAlarm(cluster), ReclaimSpace(cluster)
    return (
        define(
            subject=cluster.name,
            execute=move.move_leader,
            preview=move.preview,
            verify=cautious(move.verify),
            undo=move.undo,
            target=_whole_cluster,
            risk=Risk.MEDIUM,
        ),
        define(
            subject=cluster.name,
            execute=defragment.defragment,
            preview=defragment.preview,
            verify=cautious(defragment.verify),
            target=_whole_cluster,
            risk=Risk.MEDIUM,
            timeout=DEFRAGMENT_WITHIN + READING,
        ),
        define(
            subject=cluster.name,
            execute=compact.compact,
            preview=compact.preview,
            verify=cautious(compact.verify),
            target=_whole_cluster,
            risk=Risk.MEDIUM,
            timeout=COMPACT_WITHIN + READING,
        ),
        define(
            subject=cluster.name,
            execute=disarm.disarm_alarm,
            preview=disarm.preview,
            verify=cautious(disarm.verify),
            target=_whole_cluster,
            risk=Risk.LOW,
        ),
        define(
            subject=cluster.name,
            execute=reclaim.reclaim_space,
            preview=reclaim.preview,
            verify=cautious(reclaim.verify),
            target=_whole_cluster,
            risk=Risk.MEDIUM,
            timeout=COMPACT_WITHIN + len(cluster.client.members) * DEFRAGMENT_WITHIN + READING,
        ),
    )


def _whole_cluster(_parameters: object) -> str:
    return CLUSTER
