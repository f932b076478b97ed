/* registry.h: what this build is made of: its version and its features.  Constant data, written by CMake. */
#ifndef SHREWD_REGISTRY_H
#define SHREWD_REGISTRY_H

#include "base.h"

extern const char registry_version[]; /* "0.1.0" */
extern const char registry_config[];  /* the configuration that is read without -C */

struct feature {
	const char *name; /* "FEATURE_DOH3", as a word that needs it says */
	bool on;
};
extern const struct feature registry_features[]; /* name NULL at the end */

#endif
