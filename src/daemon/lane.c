/* lane.c: a worker's core, loop and edges, put together. */
#include "back.h"
#include "front.h"

static void begin(void *ctx)
{
	struct lane *lane = ctx;

	core_set_time(&lane->core, lane->loop.now_us, lane->loop.wall_ms);
}

static void end(void *ctx)
{
	lane_flush(ctx);
}

void lane_flush(struct lane *lane)
{
	/* writing may free queries that give room for others, which write again: until nothing is left */
	while (lane->dirty_up || lane->dirty) {
		back_flush_all(lane);
		conn_flush_all(lane);
	}
	dgram_flush(lane->out);
	for (; lane->refused < dgram_errors(lane->out); lane->refused++)
		stat_reason(&lane->counters, REASON_SEND_REFUSED);
	front_tell_all(lane);
}

int lane_init(struct lane *lane, unsigned index, unsigned batch, unsigned parked_max, const struct edge_ops *edge,
	struct clients *clients)
{
	int err;

	memset(lane, 0, sizeof(*lane));
	lane->magic = LANE_MAGIC;
	lane->index = index;
	lane->clients = clients;
	lane->mailbox.fd = -1;
	err = loop_init(&lane->loop);
	if (err == 0)
		err = core_init(&lane->core, &lane->loop.wheel, &lane->counters, edge, parked_max);
	if (err == 0)
		err = mailbox_init(&lane->mailbox, &lane->loop, lane);
	if (err < 0)
		return err;
	lane->loop.begin = begin;
	lane->loop.end = end;
	lane->loop.ctx = lane;
	lane->in = dgram_in_new(batch, true);
	lane->out = dgram_out_new(batch);
	lane->scratch = mem_alloc(LANE_SCRATCH);
	core_set_time(&lane->core, lane->loop.now_us, lane->loop.wall_ms);
	return lane->in && lane->out && lane->scratch ? 0 : -ENOMEM;
}

void lane_close(struct lane *lane)
{
	if (lane->magic != LANE_MAGIC)
		return;
	while (lane->fronts)
		front_stop(lane, lane->fronts->listener);
	if (lane->core.hold)
		conn_close_all(lane);
	core_done(&lane->core);
	for (size_t i = 0; i < lane->nbacks; i++) {
		back_close(lane, &lane->backs[i].udp);
		back_close(lane, &lane->backs[i].stream);
	}
	mem_free(lane->backs);
	lane->backs = NULL;
	lane->nbacks = 0;
}

void lane_done(struct lane *lane)
{
	if (lane->magic != LANE_MAGIC)
		return;
	lane_close(lane);
	if (lane->loop.base && lane->mailbox.fd >= 0)
		mailbox_done(&lane->mailbox);
	ring_free(&lane->core.query_ring);
	ring_free(&lane->core.reply_ring);
	dgram_in_free(&lane->in);
	dgram_out_free(&lane->out);
	mem_free(lane->scratch);
	loop_done(&lane->loop);
	lane->magic = 0;
}
