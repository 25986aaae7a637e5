"""Everything replaced, one process after the other, while clients are being served."""

from fault_tools import eventually
from patience import hold_port
from traffic import BIG, Author, Traffic

NAME = "rolling"
TITLE = "A rolling restart"
SYSTEMS = [{"replicas": 2}]
SECONDS = 60


def replace(rig, traffic, name):
    rig.terminate(name)
    rig.start(name)
    rig.wait_ready(name)
    # Both replicas must be known before the other one goes, to both processes of the edge: each asks for itself twice a second.
    service = name.split("-")[0]
    if service != "notify":
        members = ["%s:%d" % rig.address(one) for one in rig.addresses if one.split("-")[0] == service]
        eventually(lambda: rig.system.knows(service, *members), 60, f"the edge knows both of {service}")
    traffic.wait(1.2)


def replace_edge(rig, traffic):
    """The new one listens on the same ports before the old one is stopped."""
    host, port = rig.address("edge")
    rig.commands["edge-new"] = rig.commands["edge"]
    rig.addresses["edge-new"] = f"{host}:{hold_port()}"
    rig.start("edge-new", EDGE_ADMIN_LISTEN=rig.addresses["edge-new"])
    rig.wait_ready("edge-new")
    traffic.wait(0.5)
    statuses = rig.terminate("edge")
    assert statuses == [0], f"the old edge ended with {statuses}: {rig.log('edge')}"
    traffic.wait(1)


def case_everything(rig):
    """auth, auth-2, media, media-2, notify, then the edge replaced"""
    author = Author(rig, BIG)
    with Traffic(rig, author) as traffic:
        for name in ("auth", "auth-2", "media", "media-2", "notify"):
            replace(rig, traffic, name)
        replace_edge(rig, traffic)
    assert not traffic.counts["refused"], f"{traffic.counts['refused']} clients found nobody listening"
    traffic.check()
    return [*traffic.rows(), ("over", f"{traffic.seconds:.0f} s, 64 clients", "all replaced")]
