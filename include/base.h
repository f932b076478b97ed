/* base.h: the few words every file uses: invariants, contracts for the compiler, bytes of the network.
 *
 * must(x) states an invariant of our own state and is on in every build.  It is never used on bytes that
 * came from outside: those become an error code or a drop reason. */
#ifndef SHREWD_BASE_H
#define SHREWD_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define WUNUSED      __attribute__((warn_unused_result))
#define NONNULL      __attribute__((nonnull))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN     __attribute__((noreturn))
#define UNUSED       __attribute__((unused))
#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)

/* HOT: a function of the hot path in a header: part of each caller, but in a build for size one function, whose place
 * is the file that says HOT_KEPT(name). */
#ifdef __OPTIMIZE_SIZE__
#define HOT inline
#else
#define HOT static inline
#endif
#define HOT_KEPT(name) extern __typeof__(name) name

/* UNROLLED: before a short loop of the hot path, which then has no counter. */
#ifdef __OPTIMIZE_SIZE__
#define UNROLLED
#else
#define UNROLLED _Pragma("GCC unroll 4")
#endif

#define LEN(a)                     (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, mem) ((type *)(void *)((char *)(p) - offsetof(type, mem)))

/* Sentences and examples of rows: in builds without documentation these members take no room at all.
 *   DOC_MEMBER doc;   declares one
 *   DOC("…")          gives it in a row; a row without one says DOC(NULL)
 *   DOC_TEXT(r->doc)  reads it; NULL without documentation
 * HINT("…") is the part of a sentence that gives an example or advice: it is left out there, too. */
#ifdef NO_DOCS
#define DOC_MEMBER  struct {}
#define DOC(s)      {}
#define DOC_TEXT(s) ((const char *)NULL)
#define HINT(s)     ""
#else
#define DOC_MEMBER  const char *
#define DOC(s)      s
#define DOC_TEXT(s) (s)
#define HINT(s)     s
#endif

/* base_die prints where an invariant of ours broke and aborts. */
void base_die(const char *file, int line, const char *what) NORETURN;
#ifdef NO_VERBOSE
#define must(x) ((x) ? (void)0 : __builtin_trap())
#else
#define must(x) ((x) ? (void)0 : base_die(__FILE__, __LINE__, #x))
#endif

/* Structs that travel through a void pointer begin with a magic and are taken back with one of these. */
#define MAGIC_CHECK(p, m) must((p)->magic == (m))

/* copy_short is memcpy() without the call for 16 to 64 bytes, as most names and plain messages have. */
HOT void copy_short(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len - 16 > 64 - 16) {
		memcpy(to, from, len);
		return;
	}
	memcpy(to, from, 16);
	if (len > 32) {
		memcpy(to + 16, from + 16, 16);
		memcpy(to + len - 32, from + len - 32, 16);
	}
	memcpy(to + len - 16, from + len - 16, 16);
}

/* peek reads and poke writes an atomic number that stands alone: nothing else is told by its change. */
#define peek(p)    atomic_load_explicit(p, memory_order_relaxed)
#define poke(p, v) atomic_store_explicit(p, v, memory_order_relaxed)

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

#endif
