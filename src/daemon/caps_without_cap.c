/* caps_without_cap.c: without libcap the change of user gives up every capability. */
#include "worker.h"

int caps_before_drop(void)
{
	return 0;
}

int caps_keep(const struct field_list *list, bool low_ports, const char **error_r)
{
	(void)low_ports;
	return list->n ? error_set(error_r, "addCapabilitiesToRetain: not in this build (FEATURE_CAP)") : 0;
}
