/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* The losses of kernel events, for all programs that emit some. */
#ifndef PIDWIRE_EVENTS_H
#define PIDWIRE_EVENTS_H

#include "pidwire.h"

/* Kernel events that could not be recorded, by enum pw_lost_reason. */
COUNTS(lost_events);

static __always_inline void count_lost_event(u32 tgid, u32 reason)
{
	count_of(&lost_events, PW_LAYER_KRN, reason, tgid);
}

#endif
