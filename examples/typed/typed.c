/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module with typed messages: a thermometer without hardware. messages.h declares them,
 * and messages_check.h, which `kup bind` writes, checks what comes from the user. The same file
 * makes a module of the host driver (`make`) and of a kernel (`make module`).
 */
#include "kup.h"
#include "messages_check.h"

KUP_PARAM_NUMBER(channels, 4, "number of channels");

static struct kup_device *device;

static enum thermo_state compare(const struct thermo_limits *limits, int millidegrees)
{
	/* Wider than the user's numbers, which may be the smallest and the largest there are. */
	const long long slack = limits->strict ? 0 : 1;

	if (millidegrees <= limits->least - slack)
		return THERMO_COLD;
	if (millidegrees >= limits->most + slack)
		return THERMO_HOT;
	return THERMO_GOOD;
}

/* The temperature goes up by a degree with each reading. */
static int answer(struct kup_channel *channel, const struct thermo_limits *limits,
		  unsigned int count)
{
	struct thermo_reading reading;
	unsigned int i;
	int error = 0;

	memset(&reading, 0, sizeof(reading));
	memcpy(reading.place, limits->place, sizeof(reading.place));
	for (i = 0; i < count && i < THERMO_MOST_READINGS && !error; i++) {
		reading.time_ns = kup_now_ns();
		reading.millidegrees = 18000 + 1000 * (int)i;
		reading.state = compare(limits, reading.millidegrees);
		error = kup_send(channel, THERMO_READING, &reading, sizeof(reading), KUP_FOREVER);
	}
	return error;
}

/* Uses only the copy that was checked: the user may change what lies in the ring at any time. */
static int obey(struct kup_channel *channel, const struct kup_record *record,
		struct thermo_limits *limits)
{
	const struct thermo_refused refused = { .type = record->type };
	union messages_from_user message;

	if (messages_take(record->type, record->data, record->length, &message))
		return kup_send(channel, THERMO_REFUSED, &refused, sizeof(refused), KUP_FOREVER);
	if (record->type == THERMO_ASK)
		return answer(channel, limits, message.thermo_ask.count);
	*limits = message.thermo_limits;
	return 0;
}

/* Runs in a thread of its own for each attached channel. */
static int serve(struct kup_channel *channel)
{
	struct thermo_limits limits = { .least = 20000, .most = 22000, .place = "here" };
	struct kup_record record;
	int error;

	while (!(error = kup_peek(channel, &record, KUP_FOREVER))) {
		error = obey(channel, &record, &limits);
		kup_release(channel, &record);
		if (error)
			break;
	}
	return error;
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "typed", .channels = channels };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "KUP's thermometer: an example of typed messages");
