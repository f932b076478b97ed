/* dns.h: the bytes of DNS messages and names.  Pure functions: no I/O, no clock, no global.
 *
 * A *wire name* is uncompressed: length byte, label, …, zero byte; at most NAME_WIRE bytes with the zero.
 * Its *text* is escaped (\. \\ \DDD) and at most NAME_TEXT bytes with the NUL.  Parsers return -EBADMSG on
 * malformed bytes and never read past |len|.  Compression pointers must point backwards (RFC 1035 4.1.4). */
#ifndef SHREWD_DNS_H
#define SHREWD_DNS_H

#include "addr.h"
#include "base.h"

enum { NAME_WIRE = 255, NAME_TEXT = 1025, NAME_LABELS = 127 };
enum { DNS_HEADER = 12, DNS_MAX = 65535, DNS_UDP_MIN = 512 };
enum { DNS_QR = 0x8000, DNS_OPCODE = 0x7800, DNS_AA = 0x0400, DNS_TC = 0x0200, DNS_RD = 0x0100,
	DNS_RA = 0x0080, DNS_Z = 0x0040, DNS_AD = 0x0020, DNS_CD = 0x0010, DNS_RCODE = 0x000f };
enum { EDNS_DO = 0x8000 };
enum section { SECTION_QUESTION, SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL };

enum {
#define QTYPE(id, num) QTYPE_##id = num,
#include "tbl/qtype.def"
#undef QTYPE
#define RCODE(id, num, text) RCODE_##id = num,
#include "tbl/rcode.def"
#undef RCODE
#define EDNSOPT(id, num) EDNS_##id = num,
#include "tbl/ednsopt.def"
#undef EDNSOPT
	CLASS_IN = 1, CLASS_CHAOS = 3, CLASS_NONE = 254, CLASS_ANY = 255,
	OPCODE_QUERY = 0, OPCODE_IQUERY = 1, OPCODE_STATUS = 2, OPCODE_NOTIFY = 4, OPCODE_UPDATE = 5,
};

/* name.c: names. */
struct name {
	uint8_t len;            /* bytes in |wire|, the root's is 1 */
	uint8_t labels;         /* without the root */
	uint8_t wire[NAME_WIRE]; /* case as given */
};
int name_from_text(struct name *, const char *text, size_t len) WUNUSED NONNULL; /* final dot optional */
/* name_from_msg expands the name at |at|; returns the offset after it in the message. */
ssize_t name_from_msg(struct name *, const uint8_t *msg, size_t len, size_t at) WUNUSED NONNULL;
/* name_skip returns the offset after the name at |at| without expanding it. */
ssize_t name_skip(const uint8_t *msg, size_t len, size_t at) WUNUSED NONNULL;
/* name_check: length of the wire name in the first |len| bytes, or -EBADMSG. */
ssize_t name_check(const uint8_t *wire, size_t len) WUNUSED NONNULL;
size_t name_to_text(const uint8_t *wire, bool final_dot, char out[NAME_TEXT]) NONNULL; /* length; root: "." */
void name_lower(uint8_t *wire, size_t len) NONNULL;       /* ASCII only; length bytes are never letters */
bool name_same(const uint8_t *a, const uint8_t *b) NONNULL; /* ignoring case */
int name_compare(const uint8_t *a, const uint8_t *b) NONNULL; /* canonical order, RFC 4034 6.1 */
bool name_under(const uint8_t *wire, const uint8_t *suffix) NONNULL; /* equal or below, ignoring case */
unsigned name_labels(const uint8_t *wire) NONNULL;
unsigned name_len(const uint8_t *wire) NONNULL; /* bytes with the zero; |wire| must be well-formed */

/* nameset.c: sets of names; lookups take lower-case wire names. */
struct nameset; /* exact */
struct nameset *nameset_new(void) WUNUSED;
struct nameset *nameset_copy(const struct nameset *) WUNUSED NONNULL;
void nameset_free(struct nameset **) NONNULL;
int nameset_add(struct nameset *, const struct name *) WUNUSED NONNULL;
bool nameset_del(struct nameset *, const struct name *) NONNULL;
bool nameset_has(const struct nameset *, const uint8_t *lower, size_t len) NONNULL;
size_t nameset_size(const struct nameset *) NONNULL;
bool nameset_next(const struct nameset *, size_t *pos, const uint8_t **wire_r); /* as map_next */
struct suffixset; /* names and all below them; one hash look-up per label, longest first */
struct suffixset *suffixset_new(void) WUNUSED;
struct suffixset *suffixset_copy(const struct suffixset *) WUNUSED NONNULL;
void suffixset_free(struct suffixset **) NONNULL;
int suffixset_add(struct suffixset *, const struct name *) WUNUSED NONNULL;
bool suffixset_del(struct suffixset *, const struct name *) NONNULL;
/* suffixset_match returns the offset in |lower| where the longest member begins, or -1. */
int suffixset_match(const struct suffixset *, const uint8_t *lower, size_t len) NONNULL;
size_t suffixset_size(const struct suffixset *) NONNULL;
bool suffixset_next(const struct suffixset *, size_t *pos, const uint8_t **wire_r);

/* msg.c: header, question, records. */
static inline uint16_t dns_id(const uint8_t *m) { return get16(m); }
static inline uint16_t dns_flags(const uint8_t *m) { return get16(m + 2); }
static inline void dns_set_flags(uint8_t *m, unsigned f) { put16(m + 2, f); }
static inline uint16_t dns_count(const uint8_t *m, enum section s) { return get16(m + 4 + 2 * s); }
static inline void dns_set_count(uint8_t *m, enum section s, unsigned n) { put16(m + 4 + 2 * s, n); }
/* dns_bare: no records after the question, so no OPT either. */
static inline bool dns_bare(const uint8_t *m) { return (get16(m + 6) | get32(m + 8)) == 0; }
static inline unsigned dns_rcode(const uint8_t *m) { return m[3] & DNS_RCODE; }
static inline unsigned dns_opcode(const uint8_t *m) { return m[2] >> 3 & 15; }

struct question {
	uint16_t qtype, qclass;
	uint16_t end;   /* offset of the byte after the question in the message */
	uint8_t len;    /* bytes of the name, with the zero */
	uint8_t labels;
	uint64_t hash;  /* hash_bytes() of the lower-case name */
	uint8_t lower[NAME_WIRE + 1];
};
/* question_parse reads the first question (qdcount ≥ 1, no compression in its name). 0 or -EBADMSG.
 * Writes only the bytes of |lower| that it needs. */
int question_parse(struct question *, const uint8_t *msg, size_t len) WUNUSED NONNULL;
/* question_same: does |msg| carry the same first question (ignoring case)? */
bool question_same(const struct question *, const uint8_t *msg, size_t len) NONNULL;

struct rr {
	enum section section;
	uint16_t type, klass;
	uint32_t ttl;
	uint32_t name_at, ttl_at, rdata_at, end; /* offsets in the message */
	uint16_t rdlen;
};
struct walk {
	const uint8_t *msg;
	size_t len, at;
	unsigned left[4]; /* records left per section */
};
/* walk_start skips the questions; 0 or -EBADMSG. */
int walk_start(struct walk *, const uint8_t *msg, size_t len) WUNUSED NONNULL;
int walk_next(struct walk *, struct rr *) WUNUSED NONNULL; /* 1 and a record, 0 at the end, or -EBADMSG */
/* msg_end: offset after the last record (< len: trailing bytes), or -EBADMSG. */
ssize_t msg_end(const uint8_t *msg, size_t len) WUNUSED NONNULL;

/* edns.c: OPT (RFC 6891), client subnet (7871), extended errors (8914), cookies (7873), padding (7830). */
struct edns {
	bool present;
	uint8_t ext_rcode, version;
	uint16_t payload, flags;   /* flags: EDNS_DO */
	uint32_t at, len;          /* the whole OPT record in the message */
	uint32_t opts_at, opts_len;
};
/* edns_find: 0 (|present| tells), or -EBADMSG for a malformed message or more than one OPT. */
int edns_find(struct edns *, const uint8_t *msg, size_t len) WUNUSED NONNULL;
/* edns_option: |*at_r| and |*len_r| of the data of the first option |code|; true when there. */
bool edns_option(const struct edns *, const uint8_t *msg, unsigned code, size_t *at_r, size_t *len_r);
/* edns_next walks the options: start with |*pos| = 0; false at the end or where bytes are malformed. */
bool edns_next(const struct edns *, const uint8_t *msg, size_t *pos, unsigned *code_r, size_t *at_r,
	size_t *len_r);
/* The editors change |msg| in place; |*len| is updated, |cap| bytes are there.  0, -ENOBUFS, -EBADMSG. */
int edns_add(uint8_t *msg, size_t *len, size_t cap, unsigned payload, unsigned flags, unsigned ext_rcode)
	WUNUSED NONNULL;
int edns_remove(uint8_t *msg, size_t *len) WUNUSED NONNULL; /* wherever the OPT stands */
/* edns_set_option adds an option to the OPT (adds an OPT with |payload| when there is none); with
 * |replace| all options of that code are removed first. */
int edns_set_option(uint8_t *msg, size_t *len, size_t cap, unsigned payload, unsigned code,
	const void *data, size_t data_len, bool replace) WUNUSED;
int edns_remove_option(uint8_t *msg, size_t *len, unsigned code) WUNUSED NONNULL;
enum { ECS_MAX = 20 };
/* ecs_build writes the option data for the first |bits| of |addr|; returns its length. */
size_t ecs_build(uint8_t out[ECS_MAX], const struct addr *, unsigned bits) NONNULL;
int ecs_parse(const uint8_t *data, size_t len, struct netmask *source_r, unsigned *scope_r) WUNUSED NONNULL;
/* ede_build writes INFO-CODE and EXTRA-TEXT; returns the length. */
size_t ede_build(uint8_t *out, size_t cap, unsigned code, const char *text) NONNULL;

/* edit.c: changes to whole messages.  Same results as the editors above. */
/* msg_make_answer turns the query in |msg| into an empty answer: header, question; QR=1, AA=0, AD=0, TC=0,
 * RA=RD, rcode as given; records and OPT stripped. */
int msg_make_answer(uint8_t *msg, size_t *len, unsigned rcode) WUNUSED NONNULL;
/* msg_truncate: header with TC=1, question and, if there was one, the bare OPT. */
int msg_truncate(uint8_t *msg, size_t *len) WUNUSED NONNULL;
/* msg_add_rr appends a record owned by the question's name (pointer to offset 12), counted in |section|.
 * Must be called in order of sections and before edns_add(). */
int msg_add_rr(uint8_t *msg, size_t *len, size_t cap, enum section, unsigned type, unsigned klass,
	uint32_t ttl, const void *rdata, size_t rdlen) WUNUSED NONNULL;
/* msg_add_rr_name: the same with an owner of its own. */
int msg_add_rr_name(uint8_t *msg, size_t *len, size_t cap, enum section, const uint8_t *owner, unsigned type,
	unsigned klass, uint32_t ttl, const void *rdata, size_t rdlen) WUNUSED NONNULL;
/* msg_edit_ttls calls |fn| for each record but OPT and stores what it returns. */
int msg_edit_ttls(uint8_t *msg, size_t len,
	uint32_t (*fn)(void *, enum section, unsigned klass, unsigned type, uint32_t ttl), void *) WUNUSED;
int msg_limit_ttls(uint8_t *msg, size_t len, uint32_t min, uint32_t max, const uint16_t *types, size_t n)
	WUNUSED; /* n = 0: all types */
/* msg_min_ttl: smallest TTL over all records but OPT, and of the MINIMUM of a SOA that says "there is none" (RFC 2308 5);
 * -ENOENT when there is no record. */
int64_t msg_min_ttl(const uint8_t *msg, size_t len) WUNUSED NONNULL;
int msg_remove_types(uint8_t *msg, size_t *len, const uint16_t *types, size_t n) WUNUSED NONNULL;
/* msg_replace_name puts |name| in place of the first question's name.  Only for messages without
 * compression pointers into the question (queries); else -EBADMSG. */
int msg_replace_name(uint8_t *msg, size_t *len, size_t cap, const struct name *) WUNUSED NONNULL;
/* msg_rename: the same for any message: its names are written anew, and owners equal to the old name change too. */
int msg_rename(uint8_t *msg, size_t *len, size_t cap, const struct name *) WUNUSED NONNULL; /* -ENOMEM too */
/* msg_pad adds a padding option so that the message is a multiple of |block| (RFC 8467). */
int msg_pad(uint8_t *msg, size_t *len, size_t cap, unsigned block) WUNUSED NONNULL;

/* rrtext.c: names of types, classes, rcodes. */
const char *qtype_text(unsigned type, char buf[16]) NONNULL; /* "A", "TYPE65280" */
int qtype_from_text(const char *) NONNULL;                   /* mnemonic in any case, TYPEn, number; or -EINVAL */
const char *rcode_text(unsigned rcode, char buf[16]) NONNULL; /* "No Error", "NXDomain" … as dnsdist prints */
int rcode_from_text(const char *) NONNULL;                   /* "REFUSED" or a number; or -EINVAL */
const char *opcode_text(unsigned opcode);
/* The |i|th mnemonic and its number; NULL after the last. */
const char *qtype_row(size_t i, unsigned *num_r) NONNULL;
const char *rcode_row(size_t i, unsigned *num_r) NONNULL;

/* svcb.c: SVCB/HTTPS rdata (RFC 9460). */
struct svcb_param {
	uint16_t key;
	uint16_t len;
	const uint8_t *data;
};
/* svcb_build writes priority, target and params (sorted here) as rdata; length, or -EINVAL/-ENOBUFS. */
ssize_t svcb_build(uint8_t *out, size_t cap, unsigned priority, const struct name *target,
	struct svcb_param *params, size_t n) WUNUSED NONNULL;

#endif
