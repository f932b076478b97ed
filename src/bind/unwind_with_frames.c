/* unwind_with_frames.c: one description of all our stack frames, for the small build on x86-64.
 *
 * LuaJIT throws an error with the platform's unwinder, which walks over our C functions between the error and its
 * handler and needs to know their frames.  Tables for each function are as large as a tenth of the program.  Here the
 * functions that Lua may throw across keep a frame pointer instead (CMakeLists.txt has the list), and one entry says
 * of all of them: the caller's stack begins behind the saved frame pointer and the return address.  Other registers
 * need no entry: LuaJIT's handlers load them from frames of their own. */
#include "lua_priv.h"

/* Of libgcc; LuaJIT brings it along.  Absent where errors are thrown by other means. */
void __register_frame(void *) __attribute__((weak));
/* Of the linker: where the program's code begins and ends. */
extern const char __executable_start[], etext[];

enum { CFA_DEF = 0x0c, CFA_OFFSET = 0x80, RBP = 6, RIP = 16, SLEB_MINUS_8 = 0x78 };

/* .eh_frame as the Linux Standard Base describes it: what is common (CIE), one range of code (FDE), the end. */
static struct {
	uint32_t common_len, common_id;
	uint8_t version, augmentation, code_align, data_align, return_column;
	uint8_t rule[11]; /* and nops */
	uint32_t range_len, range_to_common;
	const char *begin;
	uintptr_t len;
	uint32_t end;
} frames = {
	.common_len = 20,
	.version = 1,
	.code_align = 1,
	.data_align = SLEB_MINUS_8,
	.return_column = RIP,
	.rule = {CFA_DEF, RBP, 16, CFA_OFFSET | RIP, 1, CFA_OFFSET | RBP, 2},
	.range_len = 20,
	.range_to_common = 28,
	.begin = __executable_start,
};
_Static_assert(offsetof(__typeof__(frames), range_len) == 24 && offsetof(__typeof__(frames), end) == 48,
	"no holes but the nops");

static void frames_register(void)
{
	frames.len = (uintptr_t)etext - (uintptr_t)__executable_start;
	if (__register_frame)
		__register_frame(&frames);
}

void lua_frames_known(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, frames_register);
}
