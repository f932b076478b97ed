"""The faults: what happens when.  A row is a function of the bed; it returns (gaps, moment) as load.judge() takes them.
|length|: the seconds of the fault."""
import time

from load import judge_idle

START_S = 2.0            # load before the fault


def one_hole(bed, length):
    bed.relay.say("hole %d on" % bed.busiest())
    moment = time.monotonic()
    bed.sleep(length)
    bed.relay.say("hole 0 off")
    return [], moment


def both_holes(bed, length):
    start = time.monotonic()
    bed.relay.say("hole 0 on")
    bed.sleep(length)
    bed.relay.say("hole 0 off")
    return [(start, time.monotonic(), False)], time.monotonic()


def new_address(bed, length):
    start = time.monotonic()
    bed.ip("addr", "del", bed.address, "dev", "wan")
    bed.sleep(length)
    bed.set_address("10.77.0.3/24")
    return [(start, time.monotonic(), True)], time.monotonic()


def link_down(bed, length):
    start = time.monotonic()
    bed.ip("link", "set", "wan", "down")
    bed.sleep(length)
    bed.ip("link", "set", "wan", "up")
    bed.set_route()
    return [(start, time.monotonic(), True)], time.monotonic()


def forgotten_flows(bed, length):
    moment = time.monotonic()
    bed.relay.say("forget")
    bed.sleep(length)
    return [], moment


def loss(bed, length):
    bed.relay.say("loss 30")
    bed.sleep(length)
    bed.relay.say("loss 0")
    return [], time.monotonic()


def killed(bed, length):
    which = bed.busiest()
    moment = time.monotonic()
    bed.upstreams[which - 1].kill()
    bed.sleep(length)
    bed.start_upstream(which)
    return [], moment


def misbehaves(mode):
    def row(bed, length):
        moment = time.monotonic()
        for upstream in bed.upstreams:
            upstream.say(mode)
        bed.sleep(length)
        for upstream in bed.upstreams:
            upstream.say("normal")
        return [], moment
    return row


def stopped(bed, length):
    upstream = bed.upstreams[bed.busiest() - 1]
    moment = time.monotonic()
    upstream.stop()
    bed.sleep(length)
    upstream.go_on()
    return [], moment


def start_without_upstreams(bed, length):
    """Their addresses refuse connections until they come."""
    start = bed.started
    bed.sleep(length)
    bed.start_upstream(1)
    moment = time.monotonic()
    bed.start_upstream(2)
    return [(start, moment, True)], moment


def start_without_network(bed, length):
    start = bed.started
    bed.sleep(length)
    bed.set_address(bed.address)
    return [(start, time.monotonic(), True)], time.monotonic()


def idle(bed, length, warm=False, times=3):
    """First queries after idle times: a row of its own kind, returns its figures."""
    load = bed.load
    before = bed.counts()
    samples = []
    for _ in range(times):
        load.on = False
        bed.sleep(length)
        first = len(load.queries)
        load.extra = 1
        bed.sleep(1)
        samples += [q.latency if q.good else None for q in load.queries[first:]]
    return judge_idle(samples, warm, (before, bed.counts()), bed.slack)


def idle_warm(bed, length):
    return idle(bed, length, warm=True)


class Row:
    """|fast|: seconds of the fault in the short table, None: not in it; |begins|: what is not there at the start."""

    def __init__(self, run, length, fast, what, begins="", idle_s=None, warm=False):
        self.run, self.length, self.fast, self.what = run, length, fast, what
        self.begins, self.idle_s, self.warm = begins, idle_s, warm
        self.measures_idle = idle_s is not None


ROWS = {
    "one-hole": Row(one_hole, 15, 4, "one upstream blackholed"),
    "both-holes": Row(both_holes, 10, 3, "both upstreams blackholed"),
    "new-address": Row(new_address, 1, 1, "WAN address gone, another after the time"),
    "link-down": Row(link_down, 5, 2, "link down and up"),
    "forgotten-flows": Row(forgotten_flows, 4, 2, "the firewall forgets its flows"),
    "loss": Row(loss, 10, None, "30 % of the packets of each direction lost"),
    "killed": Row(killed, 3, 1, "an upstream killed and restarted"),
    "closes": Row(misbehaves("close"), 6, 2, "upstreams close after each answer"),
    "resets": Row(misbehaves("reset"), 6, 2, "upstreams send RST instead of every third answer"),
    "stopped": Row(stopped, 10, 3, "an upstream stopped with its connections open, continued"),
    "start-alone": Row(start_without_upstreams, 5, 2, "start without upstreams, they come", begins="upstreams"),
    "start-offline": Row(start_without_network, 5, 2, "start without network, it comes", begins="network"),
    "idle": Row(idle, 4, None, "first query after idle time, connections closed", idle_s=2),
    "idle-warm": Row(idle_warm, 4, 3, "the same with a connection kept open", idle_s=2, warm=True),
}
