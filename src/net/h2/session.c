/* session.c: an nghttp2 session as a codec: our memory, frames counted before the library sees them, bytes out. */
#include "h2_priv.h"

/* What one turn of the loop may cost: a field of a header block 1, any frame FRAME_WORK, a request REQUEST_WORK and a
 * quarter of its bytes, since a byte can be a field.  A typical request costs 60.
 * CREDIT: frames without use (and resets, and requests that were never answered) that any connection may send;
 * what is answered adds to it, up to CREDIT_MAX.
 * SHARED_SIZE: the frame buffer that the library makes for each session: a frame head, a byte of padding's length
 * and the largest payload. */
enum {
	WORK_TURN = 4096, FRAME_WORK = 4, REQUEST_WORK = 16, CREDIT = 400, CREDIT_MAX = 2000, ACKS_MAX = 100,
	SHARED_SIZE = FRAME_HEAD + 1 + 16384,
};

/* ---- memory
 *
 * Two large pieces of a session say nothing while its connection is idle, and of idle ones we have many.
 *
 * The library writes the frame that is to be sent to a buffer of 16 kB.  Between two frames there is nothing in it:
 * nghttp2_session_mem_send() fills it and hands it out, and next_frame() copies it at once; what the library looks at
 * later (its own pointers, the frame it was made from) is elsewhere, and pieces of a header block that is longer than one
 * frame are in buffers of their own.  So all sessions of a thread write to one buffer.  It is known by its size and by
 * being asked for while the session is made.  The library calls back when the frame stands there and is not copied yet:
 * a session that is made by such a callback gets a buffer of its own, and none may be drained there.  The client's
 * preface is written there when the session is made: h2_open() takes it out before it returns.
 *
 * The table of streams takes 4 kB (newer libraries begin without one).  When it is all zeros, as it was when it was
 * made, it can be exchanged for any other that is all zeros, so all sessions without streams read the same, and get one
 * of their own before they may write to it.  The place of the pointer to it is found by looking for it in the session
 * when that is made: there must be one such pointer and none to its inside, and it is looked at again at each exchange.
 * The common one cannot be written to: a library that does it otherwise than we know it would end there and then, not
 * mix up connections.
 *
 * A library that does it otherwise gets plain memory for either.
 *
 * All pieces of a session hang together: when memory was out in the middle of it, nghttp2_session_del() may free things
 * twice, and we free the pieces instead. */
struct h2_piece {
	_Alignas(max_align_t) struct h2_piece *next;
	struct h2_piece **link;
};
struct h2_shared {
	unsigned sessions;
	bool busy;              /* there is a frame in |frame| */
	struct h2_piece *spare; /* a table of zeros for the next that needs one */
	size_t table_size;
	_Alignas(max_align_t) uint8_t frame[SHARED_SIZE];
};
struct h2_making {
	size_t session_size; /* the first piece is the session */
	uint8_t *session, *table;
	size_t table_size;
	unsigned tables;
};
enum { TABLE_MIN = 512, TABLE_MAX = 4096 };
static const _Alignas(max_align_t) uint8_t empty[TABLE_MAX];
static _Thread_local struct h2_shared *shared;

static int shared_join(struct h2 *h)
{
	if (!shared) {
		shared = mem_alloc(sizeof(*shared));
		if (!shared)
			return -ENOMEM;
		memset(shared, 0, offsetof(struct h2_shared, frame));
	}
	shared->sessions++;
	h->shared = shared;
	return 0;
}

static void shared_leave(struct h2 *h)
{
	struct h2_shared *sh = h->shared;

	h->shared = NULL;
	if (!sh || --sh->sessions > 0)
		return;
	if (shared == sh)
		shared = NULL;
	mem_free(sh->spare);
	mem_free(sh);
}

static struct h2_piece *piece_of(void *p)
{
	return (struct h2_piece *)p - 1;
}

static void *piece_join(struct h2 *h, struct h2_piece *piece)
{
	if (!piece)
		return NULL;
	piece->next = h->pieces;
	piece->link = &h->pieces;
	if (piece->next)
		piece->next->link = &piece->next;
	h->pieces = piece;
	return piece + 1;
}

static void *piece_leave(void *p)
{
	struct h2_piece *piece = piece_of(p);

	*piece->link = piece->next;
	if (piece->next)
		piece->next->link = piece->link;
	return piece;
}

static void *heap_alloc(size_t size, void *user)
{
	struct h2 *h = user;

	if (unlikely(h->making && size == SHARED_SIZE && !h->borrows && !h->shared->busy)) {
		h->borrows = true;
		return h->shared->frame;
	}
	if (size > SIZE_MAX - sizeof(struct h2_piece))
		return NULL;
	return piece_join(h, mem_alloc(sizeof(struct h2_piece) + size));
}

static void *heap_zalloc(size_t n, size_t size, void *user)
{
	struct h2 *h = user;
	struct h2_making *m = h->making;
	void *p;

	if (size && n > (SIZE_MAX - sizeof(struct h2_piece)) / size)
		return NULL;
	p = piece_join(h, mem_zalloc(sizeof(struct h2_piece) + n * size));
	if (likely(!m))
		return p;
	if (!m->session) {
		m->session = p;
		m->session_size = n * size;
	} else if (n * size >= TABLE_MIN && n * size <= TABLE_MAX) {
		m->table = p;
		m->table_size = n * size;
		m->tables++;
	}
	return p;
}

static void heap_free(void *p, void *user)
{
	struct h2 *h = user;

	if (!p || p == h->shared->frame || p == empty)
		return;
	if (p == h->table) { /* the library has a larger one now, or the session ends */
		h->table = NULL;
		h->table_at = NULL;
	}
	mem_free(piece_leave(p));
}

static void *heap_resize(void *p, size_t size, void *user)
{
	struct h2 *h = user;
	struct h2_piece *piece;

	if (!p)
		return heap_alloc(size, user);
	if (size > SIZE_MAX - sizeof(struct h2_piece))
		return NULL;
	if (unlikely(p == h->shared->frame)) {
		p = piece_join(h, mem_alloc(sizeof(struct h2_piece) + size));
		if (p)
			memcpy(p, h->shared->frame, size < SHARED_SIZE ? size : SHARED_SIZE);
		return p;
	}
	piece = mem_resize(piece_of(p), sizeof(struct h2_piece) + size);
	if (!piece)
		return NULL;
	*piece->link = piece; /* it may have moved */
	if (piece->next)
		piece->next->link = &piece->next;
	return piece + 1;
}

/* Finds the place in the session that points to its table: there must be one, and none to the inside of it. */
static void table_find(struct h2 *h, const struct h2_making *m)
{
	struct h2_shared *sh = h->shared;
	uint8_t *place = NULL, *p;
	unsigned found = 0;

	if (m->tables != 1 || (void *)m->session != (void *)h->session)
		return;
	for (size_t at = 0; at + sizeof(p) <= m->session_size; at += sizeof(p)) {
		memcpy(&p, m->session + at, sizeof(p));
		if (p == m->table)
			place = m->session + at;
		found += (uintptr_t)p - (uintptr_t)m->table < m->table_size;
	}
	if (!place || found != 1 || (sh->table_size && sh->table_size != m->table_size))
		return;
	sh->table_size = m->table_size;
	h->table_at = place;
	h->table = m->table;
}

/* Does the library still have the table that we think?  Else it is its own from now on. */
static bool table_is(struct h2 *h, const uint8_t *table)
{
	const uint8_t *p;

	memcpy(&p, h->table_at, sizeof(p));
	if (likely(p == table))
		return true;
	h->table_at = h->table = NULL;
	return false;
}

/* Before the library may write to its table. */
static int table_take(struct h2 *h)
{
	struct h2_shared *sh = h->shared;

	if (!h->table_at || h->table || !table_is(h, empty))
		return 0;
	h->table = sh->spare ? piece_join(h, sh->spare) : heap_zalloc(1, sh->table_size, h);
	if (!h->table)
		return -ENOMEM;
	sh->spare = NULL;
	memcpy(h->table_at, &h->table, sizeof(h->table));
	return 0;
}

void h2_rest(struct h2 *h)
{
	struct h2_shared *sh = h->shared;
	const uint8_t *none = empty;

	if (!h->table_at || !h->table || !table_is(h, h->table) || memcmp(h->table, empty, sh->table_size) != 0)
		return;
	memcpy(h->table_at, &none, sizeof(none));
	if (sh->spare)
		mem_free(piece_leave(h->table));
	else
		sh->spare = piece_leave(h->table);
	h->table = NULL;
}

/* ---- limits */

int h2_break(struct h2 *h, int error)
{
	if (!h->error) {
		h->error = error;
		if (error != -ENOMEM) /* else the library is not asked anything any more */
			(void)nghttp2_session_terminate_session(h->session,
				error == -EOVERFLOW ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
	}
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void charge(struct h2 *h, int32_t credit)
{
	h->credit -= credit;
	if (h->credit < 0)
		h2_break(h, -EOVERFLOW);
}

void h2_useful(struct h2 *h, int frames)
{
	h->credit = h->credit + frames > CREDIT_MAX ? CREDIT_MAX : h->credit + frames;
}

void h2_fields(struct h2 *h)
{
	h->fields = h->field_bytes = 0;
}

int h2_field(struct h2 *h, size_t name_len, size_t value_len)
{
	h->work--;
	h->fields++;
	h->field_bytes += (uint32_t)(name_len + value_len + 32);
	if (h->fields > HTTP_FIELDS_MAX || h->field_bytes > HTTP_HEADER_MAX)
		return h2_break(h, -EOVERFLOW);
	return h->error ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

void h2_turn(struct h2 *h)
{
	h->work = WORK_TURN;
}

/* The head of a frame has come: RFC 9113 4.1.  Each pays; what is of use gets it back later. */
static void frame_begins(struct h2 *h)
{
	h->left = get32(h->head) >> 8;
	h->work -= FRAME_WORK;
	switch (h->head[3]) {
	case NGHTTP2_DATA:
		h->work -= (int32_t)(h->left / 256);
		break;
	case NGHTTP2_HEADERS:
		h->block = 0;
		h->work -= REQUEST_WORK;
		/* fall through */
	case NGHTTP2_CONTINUATION:
		h->work -= (int32_t)(h->left / 4);
		h->block += h->left;
		if (h->block > HTTP_HEADER_MAX)
			h2_break(h, -EOVERFLOW);
		break;
	default:
		break;
	}
	charge(h, 1);
}

/* How many of the bytes the library may read now: walks over the frames in them. */
static size_t frames_allow(struct h2 *h, const uint8_t *p, size_t len)
{
	size_t at = 0;

	while (at < len && h->work > 0 && !h->error) {
		size_t rest = len - at, n;

		if (h->have < FRAME_HEAD) {
			n = FRAME_HEAD - h->have;
			n = n < rest ? n : rest;
			memcpy(h->head + h->have, p + at, n);
			h->have = (uint8_t)(h->have + n);
			if (h->have == FRAME_HEAD)
				frame_begins(h);
		} else {
			n = h->left < rest ? h->left : rest;
			h->left -= (uint32_t)n;
		}
		at += n;
		if (h->have == FRAME_HEAD && h->left == 0)
			h->have = 0;
	}
	return at;
}

/* A frame is ready to be sent: resets and an end that the library decided on because of what the peer did. */
static void frame_made(struct h2 *h, const uint8_t *p, size_t len)
{
	if (len >= FRAME_HEAD + 4 && p[3] == NGHTTP2_RST_STREAM) {
		uint32_t code = get32(p + FRAME_HEAD);

		if (code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL)
			charge(h, 1);
	} else if (len >= FRAME_HEAD + 8 && p[3] == NGHTTP2_GOAWAY) {
		uint32_t code = get32(p + FRAME_HEAD + 4);

		if (code != NGHTTP2_NO_ERROR && !h->error)
			h->error = code == NGHTTP2_ENHANCE_YOUR_CALM ? -EOVERFLOW : -EPROTO;
	}
}

/* ---- the session */

static int session_new(struct h2 *h, const struct h2_kind *kind, nghttp2_session_callbacks *calls,
	nghttp2_option *option)
{
	nghttp2_mem mem = {h, heap_alloc, heap_free, heap_zalloc, heap_resize};
	struct h2_making making = {0};
	int rv;

	nghttp2_session_callbacks_set_on_begin_headers_callback(calls, kind->begin);
	nghttp2_session_callbacks_set_on_header_callback(calls, kind->header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, kind->data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, kind->frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, kind->close);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, kind->not_sent);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_deflate_dynamic_table_size(option, kind->table);
	nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
	h->making = &making;
	if (kind->server)
		rv = nghttp2_session_server_new3(&h->session, calls, h, option, &mem);
	else
		rv = nghttp2_session_client_new3(&h->session, calls, h, option, &mem);
	h->making = NULL;
	if (rv == 0)
		table_find(h, &making);
	if (rv == 0)
		rv = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, kind->settings, kind->nsettings);
	return rv == 0 ? 0 : -ENOMEM;
}

/* Appends a frame: its length, 0 when there is none, -ENOMEM. */
static ssize_t next_frame(struct h2 *h, struct bytes *out)
{
	struct h2_shared *sh = h->shared;
	bool busy = sh->busy;
	const uint8_t *p;
	ssize_t n;

	must(!busy || !h->borrows);
	sh->busy = busy || h->borrows;
	n = nghttp2_session_mem_send(h->session, &p);
	if (n > 0 && bytes_add(out, p, (size_t)n) < 0)
		n = -ENOMEM;
	sh->busy = busy;
	if (n < 0)
		h->error = -ENOMEM;
	return n < 0 ? -ENOMEM : n;
}

/* Appends frames until there are none, or |out| is long enough, or (|queue|) only contents of answers are left. */
static int frames_out(struct h2 *h, struct bytes *out, size_t max, bool queue)
{
	const uint8_t *p;
	ssize_t n;

	while (out->len < max && (!queue || nghttp2_session_get_outbound_queue_size(h->session) > 0)) {
		n = next_frame(h, out);
		if (n == 0)
			break;
		if (n < 0)
			return -ENOMEM;
		p = out->p + out->at + out->len - n;
		frame_made(h, p, (size_t)n);
		if (h->single && !queue && p[3] == NGHTTP2_DATA && (p[4] & NGHTTP2_FLAG_END_STREAM))
			break;
	}
	h->expected = nghttp2_session_get_outbound_queue_size(h->session);
	return 0;
}

void h2_close(struct h2 *h)
{
	if (h->error != -ENOMEM && table_take(h) == 0) /* older libraries clear it when they end */
		nghttp2_session_del(h->session);
	while (h->pieces)
		mem_free(piece_leave(h->pieces + 1));
	h->session = NULL;
	shared_leave(h);
	bytes_free(&h->early);
}

int h2_open(struct h2 *h, const struct h2_kind *kind)
{
	nghttp2_session_callbacks *calls = NULL;
	nghttp2_option *option = NULL;
	int rv = -ENOMEM;

	if (shared_join(h) == 0 && nghttp2_session_callbacks_new(&calls) == 0 && nghttp2_option_new(&option) == 0)
		rv = session_new(h, kind, calls, option);
	if (option)
		nghttp2_option_del(option);
	if (calls)
		nghttp2_session_callbacks_del(calls);
	h->credit = CREDIT;
	h2_turn(h);
	if (rv == 0)
		rv = frames_out(h, &h->early, SIZE_MAX, false); /* before another session writes to the same buffer */
	if (rv < 0)
		h2_close(h);
	return rv;
}

static int recv_error(struct h2 *h, ssize_t rv)
{
	switch (rv) {
	case NGHTTP2_ERR_NOMEM:
	case NGHTTP2_ERR_CALLBACK_FAILURE:
		return h->error ? h->error : -ENOMEM;
	case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
		return -EPROTO;
	default:
		return -EOVERFLOW; /* floods that the library knows */
	}
}

ssize_t h2_recv(struct h2 *h, const uint8_t *p, size_t len)
{
	ssize_t rv;

	if (h->error)
		return h->error;
	len = frames_allow(h, p, len);
	if (h->error)
		return h->error;
	if (table_take(h) < 0)
		return h->error = -ENOMEM;
	rv = nghttp2_session_mem_recv(h->session, p, len);
	if (rv < 0) {
		h2_break(h, recv_error(h, rv));
		return h->error;
	}
	/* The library queued something by itself.  If that is its GOAWAY, it will ignore the peer from now on, and says
	 * so only when the frame is made. */
	if (!h->error && nghttp2_session_get_outbound_queue_size(h->session) > h->expected &&
			frames_out(h, &h->early, SIZE_MAX, true) < 0)
		return -ENOMEM;
	return h->error ? h->error : (ssize_t)len;
}

int h2_send(struct h2 *h, struct bytes *out, size_t max)
{
	if (h->early.len) {
		if (bytes_add(out, h->early.p + h->early.at, h->early.len) < 0)
			return -ENOMEM;
		bytes_free(&h->early);
	}
	if (h->error == -ENOMEM)
		return -ENOMEM;
	if (!nghttp2_session_want_write(h->session))
		return 0;
	if (table_take(h) < 0)
		return -ENOMEM;
	return frames_out(h, out, max, false);
}

void h2_reset(struct h2 *h, int32_t stream, uint32_t code)
{
	if (h->error == -ENOMEM)
		return;
	if (nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, stream, code) != 0)
		h2_break(h, -ENOMEM);
	h->expected++;
}

nghttp2_nv h2_nv(const char *name, const char *value, size_t value_len, bool keep_value)
{
	/* names of ours are in lower case and stay where they are */
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), value_len,
		(uint8_t)(NGHTTP2_NV_FLAG_NO_COPY_NAME | (keep_value ? NGHTTP2_NV_FLAG_NO_COPY_VALUE : 0))};
}

size_t h2_number(char *to, uint64_t n)
{
	char digits[20];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while (n /= 10);
	for (size_t i = 0; i < len; i++)
		to[i] = digits[len - 1 - i];
	return len;
}
