/* transport_move.c: queries that leave a link before they are answered: to another one because it is silent, or for good.
 *
 * A silent link may only be slow.  So the first one that a query leaves remembers it by its id there, and the backend is
 * heard on whichever link it answers first: that takes the query back.  What leaves a second link is forgotten there.  No
 * id of a query that left is used again soon: its reply would be taken for another's. */
#include "transport.h"

void link_give_up(struct link *l, struct query *q)
{
	query_map_give_up(&l->map, q);
	l->t->ops->forget(l->up, q->back_id);
	l->forgotten++;
}

/* remember puts |q| before |next| in the list of those that moved from |l|, NULL: last. */
static void remember(struct link *l, struct query *q, struct query *next)
{
	q->was_slot = l;
	q->was_id = q->back_id;
	q->was_next = next;
	q->was_prev = next ? next->was_prev : l->moved_last;
	*(q->was_prev ? &q->was_prev->was_next : &l->moved_first) = q;
	*(next ? &next->was_prev : &l->moved_last) = q;
	if (l->moved++ == 0 || q->was_id > l->moved_top)
		l->moved_top = q->was_id;
}

void link_unremember(struct link *l, struct query *q)
{
	*(q->was_prev ? &q->was_prev->was_next : &l->moved_first) = q->was_next;
	*(q->was_next ? &q->was_next->was_prev : &l->moved_last) = q->was_prev;
	q->was_slot = NULL;
	l->moved--;
}

void link_leave(struct link *l)
{
	struct query *next = NULL, *q;

	while ((q = l->map.last)) { /* from the youngest on: the oldest becomes the head of the queue */
		if (q->was_slot) {
			link_give_up(l, q);
		} else {
			query_map_give_up(&l->map, q);
			remember(l, q, next);
			next = q;
		}
		transport_wait_first(l->t, q);
	}
}

struct query *link_moved(const struct link *l, uint16_t id)
{
	struct query *q = l->moved_first;

	if (id > l->moved_top)
		return NULL; /* as nearly every id that is sent */
	while (q && q->was_id != id)
		q = q->was_next;
	return q;
}

void link_take_back(struct link *l, struct query *q)
{
	const struct queue *k = q->back_slot;
	struct link *other = k->magic == QUEUE_MAGIC ? NULL : q->back_slot;

	link_unremember(l, q);
	if (other)
		link_give_up(other, q);
	else
		queue_del(q->back_slot, q);
	query_map_put_back(&l->map, q, q->was_id);
	q->back_slot = l;
	if (l->map.count == 1)
		l->busy_ms = transport_now(l->t);
	if (other)
		link_rest(other);
}

void query_moved_end(struct query *q)
{
	struct link *l = q->was_slot;

	if (!l)
		return;
	link_unremember(l, q);
	l->t->ops->forget(l->up, q->was_id);
	l->forgotten++;
	link_rest(l);
}
