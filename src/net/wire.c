/* wire.c: the bytes of a socket, encrypted or not; what a caller waits for is not always what TLS waits for. */
#include "tls.h"
#include "tls_wire.h"
#include <sys/socket.h>
#include <unistd.h>

void wire_init(struct wire *w, struct loop *l, int fd, struct tls *tls, void (*ready)(struct io *, short what))
{
	io_init(&w->io, l, fd, ready);
	w->tls = tls;
	w->blocked = false;
	w->wants_write = tls && tls_is_client(tls); /* it speaks first */
}

static ssize_t plain_read(const struct wire *w, uint8_t *buf, size_t cap)
{
	ssize_t n;

	do
		n = recv(io_fd(&w->io), buf, cap, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t plain_write(const struct wire *w, const uint8_t *p, size_t len)
{
	ssize_t n;

	do
		n = send(io_fd(&w->io), p, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t wire_read(struct wire *w, uint8_t *buf, size_t cap)
{
	if (!w->tls)
		return plain_read(w, buf, cap);
	w->wants_write = false;
	return tls_read(w->tls, buf, cap, &w->wants_write);
}

ssize_t wire_write(struct wire *w, const uint8_t *p, size_t len)
{
	ssize_t n;

	if (!w->tls) {
		n = plain_write(w, p, len);
		w->blocked = n == -EAGAIN || (n >= 0 && (size_t)n < len);
		return n;
	}
	w->wants_write = w->blocked = false;
	n = tls_write(w->tls, p, len, &w->blocked);
	w->wants_write = w->blocked && !tls_shaken(w->tls);
	return n;
}

void wire_gather(struct wire *w)
{
	if (w->tls)
		tls_gather(w->tls);
}

int wire_release(struct wire *w)
{
	int rc = w->tls ? tls_release(w->tls) : 0;

	w->blocked = w->blocked || rc == -EAGAIN;
	return rc;
}

int wire_shake(struct wire *w)
{
	if (!w->tls)
		return 0;
	w->wants_write = false;
	return tls_shake(w->tls, &w->wants_write);
}

bool wire_shaken(const struct wire *w)
{
	return !w->tls || tls_shaken(w->tls);
}

bool wire_more(const struct wire *w)
{
	return w->tls && tls_pending(w->tls);
}

size_t wire_held(const struct wire *w)
{
	return w->tls ? tls_held(w->tls) : 0;
}

bool wire_greets(const struct wire *w)
{
	return w->tls && tls_greets(w->tls);
}

int wire_want(struct wire *w, bool read, bool write)
{
	short what;

	/* The socket is nearly always writable and often readable: to wait for what TLS cannot use now would spin. */
	if (w->wants_write)
		what = IO_WRITE;
	else if (!wire_shaken(w))
		what = IO_READ;
	else
		what = (short)((read ? IO_READ : 0) | (write ? IO_WRITE : 0));
	return io_want(&w->io, what);
}

void wire_bye(struct wire *w)
{
	if (w->tls)
		tls_end(&w->tls, true);
	w->wants_write = w->blocked = false;
	(void)shutdown(io_fd(&w->io), SHUT_WR);
}

void wire_close(struct wire *w, bool broken)
{
	io_stop(&w->io);
	if (w->tls)
		tls_end(&w->tls, !broken);
	close(io_fd(&w->io));
}
