/* unwind_without_frames.c: every function that Lua may throw an error across has unwind tables, or none needs them. */
#include "lua_priv.h"

void lua_frames_known(void)
{
}
