/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* kup.ko: loading, unloading, and the symbols that client modules link to. */
#include <linux/module.h>

#include "kupdev.h"
#include "layers/layers.h"
#include "layers/call.h"
#include "layers/turn.h"
#include "linux.h"

void kup_log(const char *format, ...)
{
	struct va_format line = { .fmt = format };
	va_list arguments;

	va_start(arguments, format);
	line.va = &arguments;
	pr_err("kup: %pV\n", &line);
	va_end(arguments);
}

/* ---- Devices of clients that are unloaded: their callbacks would be code that is gone ---- */

static int is_within(const void *address, void *module)
{
	return within_module((unsigned long)address, module);
}

/* Also called when a load has failed. The module's memory is freed after this. */
static int module_changes(struct notifier_block *block, unsigned long state, void *module)
{
	if (state == MODULE_STATE_GOING && module != THIS_MODULE)
		kup_devices_end(is_within, module);
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = { .notifier_call = module_changes };

/* ---- Loading and unloading ---- */

static int __init kup_init(void)
{
	int error;

	kup_registry_init();
	error = kup_layers_init();
	if (error)
		goto registry;
	error = linux_nodes_init();
	if (error)
		goto layers;
	error = register_module_notifier(&module_notifier);
	if (error)
		goto nodes;
	return 0;
nodes:
	linux_nodes_exit();
layers:
	kup_layers_exit();
registry:
	kup_registry_destroy();
	return error;
}

/*
 * Clients link to this module, and devices, open files and mappings hold it. So none of them is
 * left when this runs.
 */
static void __exit kup_exit(void)
{
	unregister_module_notifier(&module_notifier);
	linux_nodes_exit();
	kup_layers_exit();
	kup_registry_destroy();
}

module_init(kup_init);
module_exit(kup_exit);
MODULE_DESCRIPTION("KUP: zero-copy channels between kernel modules and processes");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("Dual BSD/GPL");

EXPORT_SYMBOL_GPL(kup_device_create);
EXPORT_SYMBOL_GPL(kup_device_destroy);
EXPORT_SYMBOL_GPL(kup_device_context);
EXPORT_SYMBOL_GPL(kup_channel_number);
EXPORT_SYMBOL_GPL(kup_channel_mode);
EXPORT_SYMBOL_GPL(kup_channel_device);
EXPORT_SYMBOL_GPL(kup_channel_set_context);
EXPORT_SYMBOL_GPL(kup_channel_context);
EXPORT_SYMBOL_GPL(kup_ended);
EXPORT_SYMBOL_GPL(kup_pause);
EXPORT_SYMBOL_GPL(kup_channel_close);
EXPORT_SYMBOL_GPL(kup_channel_get);
EXPORT_SYMBOL_GPL(kup_channel_put);
EXPORT_SYMBOL_GPL(kup_max_payload);
EXPORT_SYMBOL_GPL(kup_max_received);
EXPORT_SYMBOL_GPL(kup_send);
EXPORT_SYMBOL_GPL(kup_try_send);
EXPORT_SYMBOL_GPL(kup_send_batch);
EXPORT_SYMBOL_GPL(kup_try_send_batch);
EXPORT_SYMBOL_GPL(kup_broadcast);
EXPORT_SYMBOL_GPL(kup_walk);
EXPORT_SYMBOL_GPL(kup_walk_end);
EXPORT_SYMBOL_GPL(kup_reserve);
EXPORT_SYMBOL_GPL(kup_end);
EXPORT_SYMBOL_GPL(kup_try_reserve);
EXPORT_SYMBOL_GPL(kup_commit);
EXPORT_SYMBOL_GPL(kup_discard);
EXPORT_SYMBOL_GPL(kup_commit_control);
EXPORT_SYMBOL_GPL(kup_receive);
EXPORT_SYMBOL_GPL(kup_try_receive);
EXPORT_SYMBOL_GPL(kup_peek);
EXPORT_SYMBOL_GPL(kup_try_peek);
EXPORT_SYMBOL_GPL(kup_release);
EXPORT_SYMBOL_GPL(kup_until);
EXPORT_SYMBOL_GPL(kup_wait);
EXPORT_SYMBOL_GPL(kup_ready);
EXPORT_SYMBOL_GPL(kup_wakes);
EXPORT_SYMBOL_GPL(kup_wake);
EXPORT_SYMBOL_GPL(kup_channel_break);
EXPORT_SYMBOL_GPL(kup_thread_start);
EXPORT_SYMBOL_GPL(kup_thread_join);
EXPORT_SYMBOL_GPL(kup_alloc);
EXPORT_SYMBOL_GPL(kup_free);
EXPORT_SYMBOL_GPL(kup_page_size);
EXPORT_SYMBOL_GPL(kup_now_ns);
EXPORT_SYMBOL_GPL(kup_sleep_ms);
EXPORT_SYMBOL_GPL(kup_breathe);
EXPORT_SYMBOL_GPL(kup_timer_create);
EXPORT_SYMBOL_GPL(kup_timer_start);
EXPORT_SYMBOL_GPL(kup_timer_stop);
EXPORT_SYMBOL_GPL(kup_timer_destroy);
EXPORT_SYMBOL_GPL(kup_spinlock_create);
EXPORT_SYMBOL_GPL(kup_spinlock_destroy);
EXPORT_SYMBOL_GPL(kup_spinlock_lock);
EXPORT_SYMBOL_GPL(kup_spinlock_unlock);
EXPORT_SYMBOL_GPL(kup_log);
EXPORT_SYMBOL_GPL(kup_monitor_create);
EXPORT_SYMBOL_GPL(kup_monitor_destroy);
EXPORT_SYMBOL_GPL(kup_monitor_lock);
EXPORT_SYMBOL_GPL(kup_monitor_unlock);
EXPORT_SYMBOL_GPL(kup_monitor_wait);
EXPORT_SYMBOL_GPL(kup_monitor_wait_always);
EXPORT_SYMBOL_GPL(kup_monitor_wake);
EXPORT_SYMBOL_GPL(kup_thread_self);
EXPORT_SYMBOL_GPL(kup_thread_ended);

EXPORT_SYMBOL_GPL(kup_turn_begin);
EXPORT_SYMBOL_GPL(kup_turn_peek);
EXPORT_SYMBOL_GPL(kup_turn_receive);
EXPORT_SYMBOL_GPL(kup_turn_send);
EXPORT_SYMBOL_GPL(kup_turn_pass);
EXPORT_SYMBOL_GPL(kup_turn_reserve);
EXPORT_SYMBOL_GPL(kup_turn_commit);
EXPORT_SYMBOL_GPL(kup_turn_discard);
EXPORT_SYMBOL_GPL(kup_turn_is_mine);
EXPORT_SYMBOL_GPL(kup_calls_begin);
EXPORT_SYMBOL_GPL(kup_calls_serve);
EXPORT_SYMBOL_GPL(kup_calls_end);
EXPORT_SYMBOL_GPL(kup_calls_get);
EXPORT_SYMBOL_GPL(kup_calls_put);
EXPORT_SYMBOL_GPL(kup_calls_context);
EXPORT_SYMBOL_GPL(kup_calls_max_request);
EXPORT_SYMBOL_GPL(kup_calls_ignored);
EXPORT_SYMBOL_GPL(kup_call);
EXPORT_SYMBOL_GPL(kup_reply);
EXPORT_SYMBOL_GPL(kup_reply_wait);
EXPORT_SYMBOL_GPL(kup_reply_status);

EXPORT_SYMBOL_GPL(kupdev_create);
EXPORT_SYMBOL_GPL(kupdev_wait_channel);
EXPORT_SYMBOL_GPL(kupdev_notify);
EXPORT_SYMBOL_GPL(kupdev_send);
EXPORT_SYMBOL_GPL(kupdev_receive);
EXPORT_SYMBOL_GPL(kupdev_unlock_channel);
EXPORT_SYMBOL_GPL(kupdev_pass);
EXPORT_SYMBOL_GPL(kupdev_unload);
