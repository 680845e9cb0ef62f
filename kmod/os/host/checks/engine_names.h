/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The host driver's builds of the engine, the layers and os/host include this before all else. It
 * gives the engine's calls other names, so that a client's calls reach the ones in this folder,
 * which look for mistakes and then call the engine's. So the engine has no part of the checks, and
 * its calls of its own pass them by. Calls that need no check keep their names.
 */
#ifndef KUP_ENGINE_NAMES_H
#define KUP_ENGINE_NAMES_H

#define kup_device_create engine_device_create
#define kup_device_destroy engine_device_destroy
#define kup_pause engine_pause
#define kup_channel_close engine_channel_close
#define kup_channel_put engine_channel_put

#define kup_send engine_send
#define kup_send_batch engine_send_batch
#define kup_reserve engine_reserve
#define kup_try_reserve engine_try_reserve
#define kup_commit engine_commit
#define kup_commit_control engine_commit_control
#define kup_discard engine_discard
#define kup_end engine_end

#define kup_receive engine_receive
#define kup_try_receive engine_try_receive
#define kup_peek engine_peek
#define kup_try_peek engine_try_peek
#define kup_release engine_release
#define kup_wait engine_wait

#define kup_turn_begin engine_turn_begin
#define kup_turn_peek engine_turn_peek
#define kup_turn_receive engine_turn_receive
#define kup_turn_send engine_turn_send
#define kup_turn_pass engine_turn_pass
#define kup_turn_reserve engine_turn_reserve
#define kup_turn_commit engine_turn_commit
#define kup_turn_discard engine_turn_discard

#define kup_calls_begin engine_calls_begin
#define kup_calls_serve engine_calls_serve
#define kup_calls_end engine_calls_end
#define kup_call engine_call
#define kup_reply_wait engine_reply_wait

#define kup_alloc engine_alloc
#define kup_free engine_free
#define kup_sleep_ms engine_sleep_ms
#define kup_breathe engine_breathe
#define kup_timer_create engine_timer_create
#define kup_timer_destroy engine_timer_destroy
#define kup_thread_start engine_thread_start
#define kup_thread_join engine_thread_join
#define kup_thread_ended engine_thread_ended

#define kup_spinlock_create engine_spinlock_create
#define kup_spinlock_destroy engine_spinlock_destroy
#define kup_spinlock_lock engine_spinlock_lock
#define kup_spinlock_unlock engine_spinlock_unlock
#define kup_monitor_create engine_monitor_create
#define kup_monitor_destroy engine_monitor_destroy
#define kup_monitor_lock engine_monitor_lock
#define kup_monitor_unlock engine_monitor_unlock
#define kup_monitor_wait engine_monitor_wait
#define kup_monitor_wait_always engine_monitor_wait_always
#define kup_monitor_wake engine_monitor_wake

#endif
