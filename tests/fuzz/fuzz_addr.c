/* fuzz_addr.c: addresses, netmasks and numbers out of arbitrary text, and what must hold between text
 * and value. */
#include "addr.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(const struct addr *a)
{
	char buf[ADDR_TEXT];
	struct addr again, plain = *a;
	struct sockaddr_storage ss;

	must(addr_len(a) != 0);
	must(strlen(addr_print(a, true, buf)) < ADDR_TEXT);
	must(addr_parse(&again, buf, 0) == 0 && addr_same(&again, a));
	must(addr_parse(&again, addr_print(a, false, buf), a->port) == 0 && addr_same(&again, a));
	must(addr_to_sockaddr(a, &ss) != 0);
	addr_from_sockaddr(&again, (const struct sockaddr *)&ss);
	must(addr_compare(&again, a) == 0);
	addr_unmap(&plain);
	must(!addr_is_mapped(&plain));
}

static void check_netmask(const struct netmask *m)
{
	char buf[ADDR_TEXT];
	struct netmask again;
	struct netset *s = netset_new();

	must(m->bits <= addr_len(&m->net) * 8);
	must(netmask_match(m, &m->net));
	must(netmask_parse(&again, netmask_print(m, buf)) == 0);
	must(again.bits == m->bits && addr_same(&again.net, &m->net));
	addr_mask(&again.net, m->bits);
	must(netmask_match(m, &again.net));
	if (s != NULL && netset_add(s, m, true) == 0) {
		must(netset_match(s, &again.net) && netset_size(s) == 1);
		must(netset_remove(s, &again) && !netset_match(s, &m->net));
	}
	netset_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[200];
	struct addr a;
	struct netmask m;
	uint64_t whole;
	double real;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (addr_parse(&a, text, 53) == 0)
		check_addr(&a);
	if (netmask_parse(&m, text) == 0)
		check_netmask(&m);
	if (text_u64(text, &whole) == 0)
		must(text_double(text, &real) == 0 && real >= 0);
	return 0;
}
