/* notify_without_systemd.c: nobody to tell. */
#include "worker.h"

void notify_ready(void)
{
}

void notify_stopping(void)
{
}
