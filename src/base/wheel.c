/* wheel.c: a hashed timing wheel: the slot is the deadline's tick modulo the turn; a node whose
 * tick is a later turn stays when its slot comes by. */
#include "map.h"

static void list_init(struct wheel_link *head)
{
	head->next = head->prev = head;
}

static bool list_empty(const struct wheel_link *head)
{
	return head->next == head;
}

static void list_unlink(struct wheel_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

static void list_append(struct wheel_link *head, struct wheel_link *link)
{
	link->next = head;
	link->prev = head->prev;
	head->prev->next = link;
	head->prev = link;
}

/* Moves all of |from| to the empty |to|. */
static void list_take(struct wheel_link *to, struct wheel_link *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	to->next = from->next;
	to->prev = from->prev;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

static uint64_t tick_of(uint64_t at_ms) /* rounded up, without overflow */
{
	return at_ms / WHEEL_TICK_MS + (at_ms % WHEEL_TICK_MS != 0);
}

static unsigned slot_of(uint64_t tick)
{
	return (unsigned)(tick % WHEEL_SLOTS);
}

static bool bit_get(const struct wheel *w, unsigned slot)
{
	return w->bits[slot / WHEEL_WORD] >> (slot % WHEEL_WORD) & 1;
}

static void bit_clear(struct wheel *w, unsigned slot)
{
	w->bits[slot / WHEEL_WORD] &= ~(1ul << (slot % WHEEL_WORD));
}

static void slot_add(struct wheel *w, struct wheel_node *node)
{
	unsigned slot = slot_of(tick_of(node->at_ms));
	list_append(&w->slot[slot], &node->link);
	w->bits[slot / WHEEL_WORD] |= 1ul << (slot % WHEEL_WORD);
}

/* Fires what is due in one slot.  The list is taken off first: whatever a fire() arms lands in
 * the slots and is not seen by this run, and whatever it disarms unlinks itself from |due|. */
static size_t slot_run(struct wheel *w, unsigned slot, uint64_t now_tick, uint64_t now_ms)
{
	struct wheel_link due;
	size_t fired = 0;
	list_take(&due, &w->slot[slot]);
	bit_clear(w, slot);
	while (!list_empty(&due)) {
		struct wheel_node *node = container_of(due.next, struct wheel_node, link);
		list_unlink(&node->link);
		if (tick_of(node->at_ms) > now_tick) {
			slot_add(w, node);
			continue;
		}
		w->count--;
		fired++;
		node->fire(node, now_ms); /* |node| may be gone after this */
	}
	return fired;
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	memset(w, 0, sizeof(*w));
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slot[i]);
	w->done_tick = now_ms / WHEEL_TICK_MS;
}

void wheel_arm(struct wheel *w, struct wheel_node *node, uint64_t at_ms)
{
	must(node->fire != NULL);
	wheel_disarm(w, node);
	/* A deadline of a tick that has been run belongs to the next one. */
	uint64_t soonest_ms = (w->done_tick + 1) * WHEEL_TICK_MS;
	node->at_ms = at_ms > soonest_ms ? at_ms : soonest_ms;
	slot_add(w, node);
	w->count++;
}

void wheel_disarm(struct wheel *w, struct wheel_node *node)
{
	if (!wheel_armed(node))
		return;
	list_unlink(&node->link);
	w->count--;
	unsigned slot = slot_of(tick_of(node->at_ms));
	if (list_empty(&w->slot[slot]))
		bit_clear(w, slot);
}

size_t wheel_run(struct wheel *w, uint64_t now_ms)
{
	uint64_t first = w->done_tick + 1, now_tick = now_ms / WHEEL_TICK_MS;
	size_t fired = 0;
	if (now_tick < first)
		return 0;
	w->done_tick = now_tick; /* before firing: what is armed from here on is for a later run */
	uint64_t span = now_tick - first + 1;
	if (span > WHEEL_SLOTS)
		span = WHEEL_SLOTS;
	for (unsigned i = 0, n = (unsigned)span; i < n && w->count != 0; i++) {
		unsigned slot = slot_of(first + i);
		if (bit_get(w, slot))
			fired += slot_run(w, slot, now_tick, now_ms);
	}
	return fired;
}

/* Not for use in a fire(): nodes that this run has yet to look at are in no slot then. */
int64_t wheel_next(const struct wheel *w, uint64_t now_ms)
{
	if (w->count == 0)
		return -1;
	uint64_t tick = w->done_tick + 1;
	for (unsigned seen = 0; seen <= WHEEL_SLOTS;) {
		unsigned slot = slot_of(tick), offset = slot % WHEEL_WORD;
		unsigned long word = w->bits[slot / WHEEL_WORD] >> offset;
		unsigned step = word != 0 ? (unsigned)__builtin_ctzl(word) : WHEEL_WORD - offset;
		tick += step;
		seen += step;
		if (word != 0)
			break;
	}
	uint64_t at_ms = tick * WHEEL_TICK_MS;
	return at_ms > now_ms ? (int64_t)(at_ms - now_ms) : 0;
}
