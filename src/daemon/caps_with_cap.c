/* caps_with_cap.c: capabilities that survive the change of user (libcap). */
#include "worker.h"
#include <sys/capability.h>
#include <sys/prctl.h>

int caps_before_drop(void)
{
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int keep(cap_t caps, cap_value_t value)
{
	if (cap_set_flag(caps, CAP_PERMITTED, 1, &value, CAP_SET) < 0 ||
		cap_set_flag(caps, CAP_EFFECTIVE, 1, &value, CAP_SET) < 0)
		return -errno;
	return 0;
}

int caps_keep(const struct field_list *list, bool low_ports, const char **error_r)
{
	cap_t caps = cap_init();
	cap_t have = cap_get_proc();
	int err = caps && have ? 0 : -ENOMEM;
	cap_flag_value_t is = CAP_CLEAR;

	/* a reload may bind low ports again */
	if (err == 0 && low_ports && cap_get_flag(have, CAP_NET_BIND_SERVICE, CAP_PERMITTED, &is) == 0 && is == CAP_SET)
		err = keep(caps, CAP_NET_BIND_SERVICE);
	for (size_t i = 0; err == 0 && i < list->n; i++) {
		cap_value_t value;

		if (cap_from_name(list->v[i], &value) < 0)
			err = error_set(error_r, "addCapabilitiesToRetain: no capability '%s'", list->v[i]);
		else
			err = keep(caps, value);
	}
	if (err == 0 && cap_set_proc(caps) < 0)
		err = error_set(error_r, "cannot keep capabilities: %s", strerror(errno));
	cap_free(caps);
	cap_free(have);
	return err;
}
