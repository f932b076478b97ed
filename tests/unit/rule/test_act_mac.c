/* test_act_mac.c: the kernel's table of neighbours: its lines, and when it is read. */
#include "fixture.h"
#include "arp.h"
#include <stdlib.h>
#include <unistd.h>

int test_act_mac(void);

static void lines(void **state)
{
	static const struct {
		const char *line;
		bool ok;
	} cases[] = {
		{"192.0.2.1        0x1         0x2         02:fc:00:00:00:a5     *        eth0\n", true},
		{"192.0.2.1 0x1 0x6 02:fc:00:00:00:a5 * br-lan", true},
		{"192.0.2.1        0x1         0x0         00:00:00:00:00:00     *        eth0\n", false}, /* incomplete */
		{"192.0.2.1        0x20        0x2         02:fc:00:00:00:a5     *        ib0\n", false},  /* InfiniBand */
		{"IP address       HW type     Flags       HW address            Mask     Device\n", false},
		{"192.0.2.256 0x1 0x2 02:fc:00:00:00:a5 * eth0\n", false},
		{"192.0.2.1 0x1 0x2 02:fc:00:00:00 * eth0\n", false},
		{"192.0.2.1 0x1 0x2 02:fc:00:00:00:xx * eth0\n", false},
		{"2001:db8::1 0x1 0x2 02:fc:00:00:00:a5 * eth0\n", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		uint8_t ip[4], mac[MAC_LEN];

		assert_int_equal(arp_parse(cases[i].line, ip, mac), cases[i].ok);
		if (cases[i].ok) {
			assert_memory_equal(ip, "\xc0\0\2\1", 4);
			assert_memory_equal(mac, "\x02\xfc\0\0\0\xa5", 6);
		}
	}
}

static void write_table(const char *path, unsigned n, unsigned tail)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs("IP address       HW type     Flags       HW address            Mask     Device\n", file);
	for (unsigned i = n; i > 0; i--)
		fprintf(file, "10.0.%u.%u 0x1 0x2 02:00:00:00:%02x:%02x * eth0\n", i >> 8, i & 255, i & 255, tail);
	fclose(file);
}

static void the_table_is_read_when_needed(void **state)
{
	char path[] = "/tmp/shrewd-test-arp-XXXXXX";
	int fd = mkstemp(path);
	struct arp *arp = arp_new(path);
	uint8_t mac[MAC_LEN];
	struct addr known, later, six;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_non_null(arp);
	fix_addr(&known, "10.0.0.7");
	fix_addr(&later, "10.0.1.44"); /* the 300th */
	fix_addr(&six, "2001:db8::1");
	write_table(path, 20, 1);
	assert_false(arp_find(arp, &six, 1000, mac));
	assert_true(arp_find(arp, &known, 1000, mac));
	assert_memory_equal(mac, "\x02\0\0\0\7\1", 6);
	assert_false(arp_find(arp, &later, 1000, mac));
	write_table(path, 300, 2);
	assert_false(arp_find(arp, &later, 1000 + ARP_RETRY_MS - 1, mac)); /* not yet again */
	assert_true(arp_find(arp, &later, 1000 + ARP_RETRY_MS, mac));
	assert_int_equal(mac[5], 2);
	write_table(path, 300, 3);
	assert_true(arp_find(arp, &known, 2000 + ARP_FRESH_MS - 1, mac));
	assert_int_equal(mac[5], 2);
	assert_true(arp_find(arp, &known, 2000 + ARP_FRESH_MS, mac));
	assert_int_equal(mac[5], 3);
	/* A table that is gone, or memory that is out, knows nobody. */
	mem_fail_at(1);
	(void)!arp_find(arp, &known, 50000, mac);
	mem_fail_at(0);
	unlink(path);
	assert_false(arp_find(arp, &known, 100000, mac));
	arp_free(&arp);
	assert_null(arp);
}

static void an_unknown_client_gets_no_option(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	fix_addr(&f.remote, "2001:db8::1");
	assert_int_equal(run_once(&f, "SetMacAddrAction", (const struct arg[ARGS]){NUM(65001)}), ACT_NEXT);
	assert_int_equal(f.dq.len, 29);
}

int test_act_mac(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(the_table_is_read_when_needed),
		cmocka_unit_test(an_unknown_client_gets_no_option),
	};

	return cmocka_run_group_tests_name("rule/act_mac", tests, NULL, NULL);
}
