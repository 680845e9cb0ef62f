/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * KUP's contract: all that a kernel module and a process must agree on. The engine, the code for
 * each system, the native library and TypeScript use this file and no other (TypeScript through
 * src/abi.ts, which is generated from it). It needs no header but the system's ioctl encoding.
 *
 *
 * How a process uses it
 *
 *   fd = open("/dev/NAME", O_RDWR)      a handle; many may be open
 *   ioctl(fd, KUP_IOC_INFO, &info)      versions, modes, sizes, free channels
 *   ioctl(fd, KUP_IOC_ATTACH, &attach)  this handle now owns one channel, exclusively
 *   mmap(...) four times                the four areas below, by the sizes that ATTACH returned
 *   ...                                 no system call while both sides are busy
 *   poll(fd), ioctl(fd, KUP_IOC_KICK)   only to sleep, and to wake a sleeping kernel
 *   close(fd)                           the channel is free again (exit and kill -9 do the same)
 *
 * close() takes effect when the last descriptor of the open file is closed. A mapping does not hold
 * the channel. It keeps the pages of its area alive and readable, but no other process ever sees
 * those pages: the next owner gets fresh zeroed ones. The number of closed channels that a user may
 * keep mapped is limited: see ENOMEM. fork does not pass mappings on, unless the process asks for
 * it with MADV_DOFORK, or on FreeBSD with minherit.
 *
 *
 * The memory of one channel: four areas, each mapped by an mmap of its own
 *
 *   offset                area         length             mapping           written by
 *   0                     kernel page  page_size          MAP_SHARED, read  kernel
 *   page_size             user page    page_size          MAP_SHARED, r/w   user
 *   KUP_TO_USER_AT        to_user      2 * to_user_bytes  MAP_SHARED, r/w   kernel (*)
 *   KUP_TO_KERNEL_AT      to_kernel    2 * to_kernel_     MAP_SHARED, r/w   user
 *                                          bytes
 *
 *   kernel page                        user page
 *   0x000 +----------------------+     0x000 +--------------------------+
 *         | geometry (constant)  |           | to_kernel.head           |
 *   0x080 +----------------------+     0x080 +--------------------------+
 *         | state, error         |           | to_kernel.producer_event |
 *   0x100 +----------------------+     0x100 +--------------------------+
 *         | to_user.head         |           | to_user.tail             |
 *   0x180 +----------------------+     0x180 +--------------------------+
 *         | to_user.             |           | to_user.consumer_event   |
 *         |       producer_event |     0x200 +--------------------------+
 *   0x200 +----------------------+           . zero, for later versions .
 *         | to_kernel.tail       |     0x800 +--------------------------+
 *   0x280 +----------------------+           . the process's own        .
 *         | to_kernel.           |
 *         |       consumer_event |     a ring, as either side sees it:
 *   0x300 +----------------------+
 *         | counters             |     +---------------+---------------+
 *   0x400 +----------------------+     | bytes 0..n-1  | bytes 0..n-1  |
 *         . zero, for later      |     +---------------+---------------+
 *         .             versions |     the same pages, mapped twice: a
 *                                      record at n-8 simply continues
 *
 *   (*) The kernel never reads the to_user data back. A process that writes there harms only
 *   itself.
 *
 *   All words are in native byte order. A u64 is aligned to 8 bytes, in a 32-bit process too. KUP
 *   is not built for machines whose SHMLBA is more than a page.
 *
 *
 * A ring: positions and records
 *
 *   Positions are free-running u32 byte counts. The byte at position p is data[p % ring_bytes], and
 *   ring_bytes is a power of two. All positions are multiples of KUP_RECORD_ALIGN. A record is a
 *   kup_record_header and its payload, padded to KUP_RECORD_ALIGN; it takes
 *   KUP_RECORD_SPACE(length) bytes. Records lie one behind the other, from the consumer's tail on:
 *
 *        tail                              end              head
 *         | READY  | READY  | READY DISCARD | 0    | READY   | 0 |
 *         +--------+--------+---------------+------+---------+---+
 *           finished                          open   finished  sentinel
 *
 *   `head` is where the producer's next record begins. `tail` is where the room that the consumer
 *   has given back ends. `end` is where the first unfinished record begins; each producer knows its
 *   own, and no shared word contains it. A consumer's `cursor` is where the next record that it
 *   will read begins; it is private too.
 *
 *   A record without KUP_RECORD_READY is not finished, and a consumer stops there. A consumer skips
 *   a record with KUP_RECORD_DISCARD. A record with KUP_RECORD_CONTROL is not a message: its type
 *   is a KUP_CONTROL_* kind. The mode determines which kinds each side may send. A user skips an
 *   unknown kind that has KUP_CONTROL_OPTIONAL. Everything else is a lie. All other flags are zero.
 *
 *
 * Publication: why a consumer never reads a record that is not finished
 *
 *   A producer serialises its calls with a lock of its own. For each record it
 *
 *     1. waits until head + space + 8 - tail <= ring_bytes: there is room for it and a header;
 *     2. stores the sentinel, a zero length_flags, behind the record;
 *     3. stores head + space as head;
 *     4. writes payload and type; several records may be at this step, and finish in any order;
 *     5. if the record became shorter, stores a DISCARD READY header for the rest;
 *     6. store-releases length_flags with READY;
 *     7. executes a full fence, loads consumer_event, and wakes as described below.
 *
 *   A consumer load-acquires length_flags at its cursor. If READY is set, four things are visible:
 *   the payload, the type, the sentinel behind the record, and a head at or beyond the record's
 *   end. So the consumer never takes old bytes for a header: behind each finished record lies a
 *   record or the sentinel. Fresh memory is zero, which is a sentinel too. A consumer may poll
 *   either the header at its cursor or head.
 *
 *   A consumer gives room back with a store-release of tail. It may keep back up to an eighth of
 *   the ring while more is readable, but it publishes its tail
 *     - when nothing readable is left behind the record that it has released,
 *     - when an eighth of the ring is unpublished,
 *     - when producer_event lies between the published and the real tail, at each release,
 *     - before it sleeps for anything on this channel, and at the end of a batch.
 *
 *   The kernel does not trust headers. The check SPACE(length) + 8 <= ring_bytes keeps its reads
 *   inside the mapping. Each time it has read an eighth of the ring, and before each sleep, it
 *   loads head, and breaks the channel unless cursor <= head <= cursor + ring_bytes. So from a ring
 *   full of forged headers it reads no more than an eighth of the ring.
 *
 *   The end. When a consumer finds nothing, it load-acquires state. If the kernel's side has
 *   closed, the user looks once more; the records that are READY then are the last ones. If the
 *   user is gone, the kernel loads head once, and reads the records that are READY before it, and
 *   no more. A user that died between steps 2 and 6 leaves an unfinished record; the stream ends
 *   there.
 *
 *
 * Events: why no wake-up is lost, and why busy sides cause none
 *
 *   There are no flags to set and clear. A side that is going to sleep stores the position that it
 *   sleeps for, executes a full fence, looks once more, and only then sleeps. It stores
 *
 *   consumer_event = P   to sleep until the record that contains position P is finished. A producer
 *                        whose end moves from E0 to E1 wakes the consumer if P lies in [E0, E1). To
 *                        sleep for any record, P is the consumer's cursor. To sleep for n bytes (a
 *                        watermark, at most half the ring), P is cursor + n - 1, rounded down to
 *                        KUP_RECORD_ALIGN.
 *   producer_event = X   to sleep until the tail has reached X. A consumer whose published tail
 *                        moves from T0 to T1 wakes the producer if X lies in (T0, T1].
 *
 *   The other side publishes, executes a full fence, and then loads the event. One of the two full
 *   fences comes first. So either the sleeper's second look sees what was published, or the other
 *   side sees the event. A position comes again only after 4 GiB, so a sleep costs one wake-up at
 *   most. A fresh page contains zeros, so the first record may wake a side that does not sleep,
 *   which is harmless. The low three bits of an event are zero, and reserved.
 *
 *   - If a sleep for a watermark ends by its time limit, the consumer stores its cursor, so the
 *     next record wakes it.
 *   - A kernel that finds no room wakes a user whose event lies ahead. With a full ring the
 *     watermark might never be reached. So a user with a watermark also loads producer_event before
 *     it sleeps: if that lies in (tail, tail + ring_bytes], it takes what is there. Users need not
 *     do the same, because the kernel sleeps for no watermark, only for the next record.
 *   - A close, a break, a lost record (a GAP) and an END always wake.
 *   - If several threads sleep for the same word, it contains the nearest of their positions. When
 *     that position is reached, or replaced after it was reached, all of them look, and those that
 *     still sleep announce their positions again.
 *
 *   A user sleeps in poll(2), and wakes the kernel with KUP_IOC_KICK.
 *
 *
 * Control records
 *
 *   GAP   to the user: records are missing here, because a producer that must not sleep found no
 *         room for them. The payload is a kup_gap; a reader accepts a longer one.
 *   PASS  turn mode: gives the turn. No payload.
 *   END   stream mode: the sender sends nothing more, but still reads. No payload but the stamp, on
 *         a channel with stamps. It also wakes a side that sleeps for a watermark. A record behind
 *         it is a lie. The kernel sends END only to a process that understands KUP_FEATURE_END; a
 *         process sends it only to a kernel that has the feature.
 *
 *
 * Turn mode: a layer above the rings; the rings themselves have no turns
 *
 *   One side at a time may send; the kernel has the first turn. A record gives the turn to the side
 *   that receives it. So a side has the turn exactly if it has received a record since it last sent
 *   one. The control record KUP_CONTROL_PASS gives the turn without a message; a discarded record
 *   does not give the turn. There are no GAP records.
 *   Before a side sends, it releases the record that brought the turn, and publishes its tail. So
 *   the ring of the side that has the turn is empty. A finished record behind the one that brought
 *   the turn is a lie (KUP_ERROR_TURN).
 *   A side waits for its turn as it waits for a record.
 *
 *
 * Call mode: a layer above the rings, for requests and replies in both directions
 *
 *   Every record is a message whose payload begins with a frame, a kup_call. There are no control
 *   records.
 *
 *   kind      type     status   payload   meaning
 *   REQUEST   method   0        data      asks the other side; it sends one REPLY
 *   REPLY     0        result   data      answers the request with this id
 *   CANCEL    0        0        none      the caller does not wait for this id any more; the other
 *                                         side may stop working on it, and sends its REPLY earlier
 *
 *   The caller chooses the id. id % KUP_CALLS is a slot of the caller; the other bits make the id
 *   unique, so that an old frame fits no new call. A slot is in use from its REQUEST until its
 *   REPLY, even if the call was cancelled or timed out. So a side has at most KUP_CALLS requests to
 *   answer at a time, and it never has to stop reading: replies and cancels lie behind the
 *   requests. A REQUEST in a slot that is in use is a lie.
 *   A REPLY or CANCEL whose id is not in use is ignored: it may have crossed the other side's
 *   frame. A kind that the reader does not know is ignored if it has KUP_CALL_OPTIONAL, and is
 *   otherwise a lie.
 *
 *   A status is 0 for success, below KUP_STATUS_RESERVED the clients' own, and otherwise one of
 *   KUP_STATUS_*. It is not an errno, because errno values differ between systems.
 *
 *   Each side reads at all times, and never waits for room before it reads on. A REQUEST leaves a
 *   quarter of the ring free, so that replies have room.
 *
 *
 * Stamps
 *
 *   On a channel with KUP_FEATURE_STAMPS (required) the payload of each record to the user, GAP
 *   records included, begins with a kup_stamp, which the header's length includes. Discarded
 *   records need not have one. The longest message is KUP_STAMP_RESERVE bytes shorter. Stamps are
 *   for stream mode.
 *   The stamp is taken under the producer's lock, when the room is reserved. So neither the time
 *   nor the sequence number goes backwards from one record to the next, whichever processor or
 *   context sends. INFO names the clock (KUP_CLOCK_*).
 *   The sequence numbers count the messages that were placed or lost, modulo 2^32, from 0. Between
 *   two GAP records or messages no number is missing, except those of messages that were reserved
 *   and then discarded. A GAP record has the number of the first message that it stands for; the
 *   next message's number is larger by its `records`.
 *
 *   Modes from 0x80000000 on are for layers of clients; types from KUP_TYPE_RESERVED on are KUP's.
 *
 *
 * Sizes
 *
 *   ATTACH may ask for ring sizes in bytes. 0 is the device's default; other sizes are rounded up
 *   to a power of two of at least a page; more than the device's maximum is EINVAL. ATTACH returns
 *   the real sizes, and mmap accepts no others. INFO returns the defaults and the maxima, and the
 *   real sizes of the handle's channel.
 *
 *
 * Versions and features
 *
 *   KUP_ABI_VERSION changes when an old program would misunderstand a new kernel, or the reverse.
 *   The versions of both must be equal. Every other change is a feature bit. A process may ignore
 *   the bits in `features`. It must understand the bits in `required`, and lists the bits that it
 *   understands in ATTACH's `understood`; otherwise ATTACH fails with EOPNOTSUPP. The numbers and
 *   sizes of the ioctls, and the first two fields of INFO, never change, so each version can find
 *   out the other side's. Reserved fields, and the unused parts of the pages below 0x800, are zero.
 *
 *   1  2026-11  the first: streams, turns and calls, INFO, ATTACH, KICK, STATS.
 *
 *
 * Instances
 *
 *   A process opens a handle for each channel. Between two opens, the path may come to name a new
 *   device. So INFO returns `instance`, the number of the handle's device, and ATTACH takes it: if
 *   the handle belongs to another device, ATTACH fails with ENODEV and attaches nothing. 0 means
 *   any device, and is no device's number. No two devices have the same number until the system is
 *   rebooted, even if the module that counts them is loaded again: the count begins with the
 *   nanoseconds since boot, and making a device takes longer than a nanosecond. The order of the
 *   numbers has no meaning.
 *
 *
 * Trust
 *
 *   The kernel loads each user-written word once and checks it against private state. A value that
 *   fails its check is a lie: the kernel sets error to the reason and state to KUP_STATE_BROKEN.
 *   This channel is then over; no other channel is affected. The kernel only writes the kernel
 *   page; it never reads it back. INFO and STATS answer every handle, for every channel. So the
 *   processes that may open a device can see how much the others send, but not what they send.
 *   docs/security.md has the details.
 *
 *   word or bytes              the check                                      KUP_ERROR_*
 *   to_kernel.head             aligned; cursor <= head <= cursor + ring_bytes HEAD
 *   to_user.tail               aligned; not backwards; not beyond head        TAIL
 *   length of a record         SPACE + 8 <= ring_bytes; not beyond the head   LENGTH
 *                              that a user which is gone has left
 *   flags, kind of a record    only those that a user may send                FLAGS
 *   turn mode                  no second record in a turn; no payload in a    TURN
 *                              pass
 *   call mode                  a frame of 16 bytes or more, a known kind, no    CALL
 *                              status in a request, no request in a slot that
 *                              is in use, nothing but the frame in a cancel
 *   END                        no payload; no record behind it                END
 *   both events                no check: a wrong value spoils its own user's wake-ups only
 *   type, payload, status      no check: the client must check them
 *
 *
 * What poll(2) reports
 *
 *   before ATTACH  POLLIN          a channel is free; after an ATTACH that failed with EBUSY, the
 *                                  channel that it asked for is free
 *                  POLLHUP         the device is gone
 *   after ATTACH   POLLIN          a finished record lies behind tail, and consumer_event is not
 *                                  ahead of it (or the kernel lacks room, or has sent END); or the
 *                                  channel is closed or broken
 *                  POLLOUT         the ring towards the kernel isn't full, and its tail has reached
 *                                  the user's producer_event
 *                  POLLHUP         the kernel's side is closed; what is in the ring can be read
 *                  POLLERR         the channel is broken (POLLHUP is reported too)
 *                  POLLIN and POLLOUT come with POLLHUP, since there is nothing to wait for.
 *   A poll that finds nothing arms a wake-up itself. While the process is not inside poll (for
 *   example with a permanent epoll registration), wake-ups depend on the event positions. A process
 *   that only polls need not store events: an event that a poll has found behind is not ahead again
 *   when positions come again, unless the process stores another one meanwhile.
 *
 *   kqueue(2) reports the same: EVFILT_READ is POLLIN, EVFILT_WRITE is POLLOUT, EV_EOF is POLLHUP;
 *   with EV_EOF, EPROTO in fflags is POLLERR. (FreeBSD's poll(2) never reports POLLOUT together
 *   with POLLHUP. It does not stop the file from being closed while a thread waits in it.)
 *
 *
 * Errors (positive errno values, as a process sees them; checked in this order)
 *
 *   open    ENXIO           the device is being destroyed, or could not be created
 *   ioctl   ENOTTY          not one of the commands below (or the right number, but a wrong size)
 *           EBADF           ATTACH, KICK: the handle is not open for reading and writing
 *           EFAULT          the argument can't be read or written
 *           EPROTONOSUPPORT ATTACH: abi_version is not this one
 *           EINVAL          ATTACH, STATS: an unknown flag, or a reserved field that is not zero;
 *                           STATS: no such channel
 *           EOPNOTSUPP      ATTACH: `required` has a feature that `understood` lacks
 *           ENODEV          ATTACH: `instance` is the number of another device
 *           EINVAL          ATTACH: no such channel; a ring larger than the device's maximum
 *           ENODEV          the device is gone; only close is left (KICK of a channel: EPIPE)
 *           EISCONN         ATTACH: this handle has a channel already
 *           EBUSY           ATTACH: the channel, or every channel, is taken
 *           EINTR           ATTACH: a signal came while it waited for the kernel's side of the last
 *                           owner
 *           ENOMEM          ATTACH: no memory, or the caller's limits (a cgroup; RLIMIT_SWAP)
 *                           allow no more. On Linux also: the caller's user already maps as many
 *                           closed channels of this device as the device has channels (or 8, if it
 *                           has fewer). To make room, unmap one of them
 *           ENOTCONN        KICK: nothing is attached
 *           EPIPE           KICK: the channel is closed or broken
 *           other           ATTACH: the errno with which the kernel client refused; or with which
 *                           the system refused a kernel thread in the caller's cgroups
 *   mmap    ENODEV          the device is gone
 *           ENOTCONN        nothing is attached
 *           EINVAL          not exactly one whole area, or not MAP_SHARED
 *           EACCES          PROT_WRITE on the kernel page (also by a later mprotect), or PROT_EXEC
 *                           (a process with the personality READ_IMPLIES_EXEC, which asks for that
 *                           each time, gets a mapping that is not executable instead)
 *           EFAULT          mremap that would grow or duplicate a mapping
 *   read, write: EINVAL.  lseek: ESPIPE.
 *   On FreeBSD EFAULT comes before all others, because the kernel itself copies arguments. If the
 *   result of an ATTACH can't be written there, the channel is attached all the same, as INFO
 *   shows.
 */
#ifndef KUP_ABI_H
#define KUP_ABI_H

#define KUP_ABI_VERSION 1

/* The compiler's exact-width types, which are the same in every kernel and in every process. */
typedef __UINT8_TYPE__ kup_u8;
typedef __UINT32_TYPE__ kup_u32;
typedef __UINT64_TYPE__ kup_u64;

#if defined(__cplusplus) && __cplusplus >= 201103L
#define KUP_ABI_ASSERT(condition) static_assert(condition, #condition)
#elif !defined(__cplusplus) && __STDC_VERSION__ >= 201112L
#define KUP_ABI_ASSERT(condition) _Static_assert(condition, #condition)
#else /* C99 and C++98 can't check */
#define KUP_ABI_ASSERT(condition) struct kup_abi_unchecked
#endif
#define KUP_ABI_AT(type, field, offset)                                                            \
	KUP_ABI_ASSERT(__builtin_offsetof(struct type, field) == (offset))

/* ---- Limits, in bytes where nothing else is stated ---- */

#define KUP_LINE 128		    /* each polled word has a cache line to itself */
#define KUP_RECORD_ALIGN 8	    /* records begin and end at multiples of this */
#define KUP_RECORD_HEADER 8	    /* sizeof(struct kup_record_header) */
#define KUP_MIN_RING 4096	    /* and at least one page */
#define KUP_MAX_RING 0x10000000u    /* 256 MiB: lengths have 28 bits */
#define KUP_MAX_CHANNELS 1024	    /* channels of one device */
#define KUP_NAME_MAX 64		    /* a device's name with its NUL */
#define KUP_CHANNEL_ANY 0xffffffffu /* ATTACH: any free channel */

/* The room that one record takes in a ring: header, payload, padding. */
#define KUP_RECORD_SPACE(length) (((kup_u32)(length) + 15u) & ~7u)

/*
 * The longest payload that the kernel sends. With it a GAP record, the record behind it and the
 * sentinel always fit into an empty ring. Towards the kernel every record that fits is valid; a
 * well-behaved user keeps to the same limit.
 */
#define KUP_RECORD_RESERVE 40
#define KUP_MAX_PAYLOAD(ring_bytes) ((ring_bytes)-KUP_RECORD_RESERVE)

/* ---- Records ---- */

/* length_flags: the payload's length in the low 28 bits, flags above them. */
#define KUP_RECORD_LENGTH 0x0fffffffu
#define KUP_RECORD_READY 0x80000000u   /* finished; a consumer stops at a record without it */
#define KUP_RECORD_DISCARD 0x40000000u /* contains nothing: skip it */
#define KUP_RECORD_CONTROL 0x20000000u /* not a message: its type is one of KUP_CONTROL_* */

struct kup_record_header {
	kup_u32 length_flags; /* written by the producer; atomic */
	kup_u32 type;	      /* a tag of the clients, without a meaning to KUP; or a kind */
};
KUP_ABI_ASSERT(sizeof(struct kup_record_header) == KUP_RECORD_HEADER);
KUP_ABI_AT(kup_record_header, length_flags, 0);
KUP_ABI_AT(kup_record_header, type, 4);

/* Types of messages from here on belong to KUP. */
#define KUP_TYPE_RESERVED 0xffff0000u

/* Kinds of control records. */
#define KUP_CONTROL_GAP 1u  /* to the user: a kup_gap follows */
#define KUP_CONTROL_PASS 2u /* turn mode: gives the turn; no payload */
#define KUP_CONTROL_END 3u  /* stream mode: the sender sends nothing more; no payload */
/* A user skips a kind that it does not know if the kind has this bit. */
#define KUP_CONTROL_OPTIONAL 0x80000000u

/* The kinds that a side may send, as a mask of 1 << kind. */
#define KUP_CONTROLS_TO_USER(mode)                                                                 \
	((mode) == KUP_MODE_TURN   ? 1u << KUP_CONTROL_PASS                                        \
	 : (mode) == KUP_MODE_CALL ? 0u                                                            \
				   : 1u << KUP_CONTROL_GAP | 1u << KUP_CONTROL_END)
#define KUP_CONTROLS_TO_KERNEL(mode)                                                               \
	((mode) == KUP_MODE_TURN   ? 1u << KUP_CONTROL_PASS                                        \
	 : (mode) == KUP_MODE_CALL ? 0u                                                            \
				   : 1u << KUP_CONTROL_END)

/* The payload of a GAP record: what producers that must not sleep lost since the last record. */
struct kup_gap {
	kup_u64 records;
	kup_u64 bytes; /* of payload */
};
KUP_ABI_ASSERT(sizeof(struct kup_gap) == 16);
KUP_ABI_AT(kup_gap, records, 0);
KUP_ABI_AT(kup_gap, bytes, 8);

/* ---- The two pages ---- */

/* A word alone in its cache line. */
struct kup_word {
	kup_u32 value;
	kup_u8 pad[KUP_LINE - 4];
};
KUP_ABI_ASSERT(sizeof(struct kup_word) == KUP_LINE);

#define KUP_MAGIC 0x314c4e484350554bull /* "KUPCHNL1" in memory, little endian */

/* The state of a channel, in the kernel page and in STATS. */
#define KUP_STATE_FREE 0 /* STATS only: no process is attached */
#define KUP_STATE_OPEN 1
#define KUP_STATE_CLOSED 2   /* by the kernel's side: read what is there, then stop */
#define KUP_STATE_BROKEN 3   /* the user's side broke the protocol: see error */
#define KUP_STATE_DRAINING 4 /* STATS only: the user is gone, the kernel client still reads */

/* kup_kernel_page.error: which user-written word failed its check. */
#define KUP_ERROR_NONE 0
#define KUP_ERROR_HEAD 1 /* to_kernel.head: not aligned, behind what was seen, or beyond the ring */
#define KUP_ERROR_TAIL 2 /* to_user.tail: not aligned, backwards, or beyond head */
#define KUP_ERROR_LENGTH 3 /* a record that is longer than the ring allows, or ends beyond head */
#define KUP_ERROR_FLAGS 4  /* a record with flags, or of a control kind, that a user may not send */
#define KUP_ERROR_TURN 5   /* turn mode: a send out of turn; a pass with a payload */
#define KUP_ERROR_CALL 6   /* call mode: a bad frame; a request in a slot that is in use */
#define KUP_ERROR_END 7	   /* a record behind an END; an END with a payload */

/* Modes. */
#define KUP_MODE_STREAM 1	     /* full duplex, many records in flight */
#define KUP_MODE_TURN 2		     /* one side at a time sends: a layer */
#define KUP_MODE_CALL 3		     /* requests and replies: a layer */
#define KUP_MODE_CLIENTS 0x80000000u /* from here on: layers of clients */

/* Feature bits, of `features`, `required` and `understood`. */
#define KUP_FEATURE_GAP 1ull	/* producers that must not sleep report losses in GAP records */
#define KUP_FEATURE_SIZES 2ull	/* ATTACH takes ring sizes */
#define KUP_FEATURE_STAMPS 4ull /* a kup_stamp before each payload; required */
#define KUP_FEATURE_END 8ull	/* stream mode: each side may end its direction by an END record */
/* INFO's `features` */
#define KUP_FEATURES_OPTIONAL (KUP_FEATURE_GAP | KUP_FEATURE_SIZES | KUP_FEATURE_END)
#define KUP_FEATURES (KUP_FEATURES_OPTIONAL | KUP_FEATURE_STAMPS) /* all of this version */

/* What a payload begins with on a channel with stamps. */
struct kup_stamp {
	kup_u64 time_ns;  /* of the clock that INFO names */
	kup_u32 cpu;	  /* the number of the processor that made the reservation */
	kup_u32 sequence; /* the number of the message; of a GAP: of the first one that was lost */
};
KUP_ABI_ASSERT(sizeof(struct kup_stamp) == 16);
KUP_ABI_AT(kup_stamp, time_ns, 0);
KUP_ABI_AT(kup_stamp, cpu, 8);
KUP_ABI_AT(kup_stamp, sequence, 12);

/* The room for the stamps of a GAP record and of the record behind it. */
#define KUP_STAMP_RESERVE 32

/* The clocks of stamps. */
#define KUP_CLOCK_NONE 0
#define KUP_CLOCK_MONOTONIC                                                                        \
	1 /* CLOCK_MONOTONIC of the machine, without a time namespace's offset */

/* ---- Call mode ---- */

/* The frame that each payload begins with. */
struct kup_call {
	kup_u64 id;	/* chosen by the caller; the slot is id % KUP_CALLS */
	kup_u32 kind;	/* KUP_CALL_* */
	kup_u32 status; /* of a reply: 0, the clients' own, or KUP_STATUS_*; otherwise 0 */
};
KUP_ABI_ASSERT(sizeof(struct kup_call) == 16);
KUP_ABI_AT(kup_call, id, 0);
KUP_ABI_AT(kup_call, kind, 8);
KUP_ABI_AT(kup_call, status, 12);

#define KUP_CALLS 64u /* requests of one side that are not answered yet */

#define KUP_CALL_REQUEST 1u
#define KUP_CALL_REPLY 2u
#define KUP_CALL_CANCEL 3u
/* A reader ignores a kind that it does not know if the kind has this bit. */
#define KUP_CALL_OPTIONAL 0x80000000u

/* Statuses from here on are KUP's. */
#define KUP_STATUS_RESERVED 0xffff0000u
#define KUP_STATUS_OK 0u
#define KUP_STATUS_NO_HANDLER 0xffff0001u /* the other side answers no requests */
#define KUP_STATUS_NO_METHOD 0xffff0002u  /* its handler does not know the method */
#define KUP_STATUS_FAILED 0xffff0003u /* its handler failed; the data may be a sentence in UTF-8 */
#define KUP_STATUS_TOO_LONG 0xffff0004u	 /* the reply is longer than its ring allows */
#define KUP_STATUS_NO_ROOM 0xffff0005u	 /* the ring has no room for the reply now: ask again */
#define KUP_STATUS_CANCELLED 0xffff0006u /* the handler stopped because of the cancel */

/* The longest data of a request, and of a reply, in a ring of this size. */
#define KUP_CALL_MAX_REQUEST(ring_bytes)                                                           \
	(KUP_MAX_PAYLOAD(ring_bytes) - (ring_bytes) / 4 - (kup_u32)sizeof(struct kup_call))
#define KUP_CALL_MAX_REPLY(ring_bytes)                                                             \
	(KUP_MAX_PAYLOAD(ring_bytes) - (kup_u32)sizeof(struct kup_call))

/* ---- The layout: offsets of the areas, and the size of all ---- */

#define KUP_USER_PAGE_AT(page) ((kup_u64)(page))
#define KUP_TO_USER_AT(page) (2 * (kup_u64)(page))
#define KUP_TO_KERNEL_AT(page, to_user_bytes) (2 * ((kup_u64)(page) + (to_user_bytes)))
#define KUP_MAP_BYTES(page, to_user_bytes, to_kernel_bytes)                                        \
	(2 * ((kup_u64)(page) + (to_user_bytes) + (to_kernel_bytes)))

struct kup_kernel_page {
	/* Constant from ATTACH on. */
	kup_u64 magic;
	kup_u32 abi_version;
	kup_u32 mode;
	kup_u64 features;
	kup_u64 required;
	kup_u64 instance;
	kup_u32 page_size;
	kup_u32 channel;
	kup_u32 generation; /* the number of attaches of this channel number, this one included */
	kup_u32 to_user_bytes; /* ring sizes, not doubled */
	kup_u32 to_kernel_bytes;
	kup_u32 spin_us; /* how long the kernel's side spins before it sleeps, at most */
	kup_u8 pad0[KUP_LINE - 64];

	/* Atomic; error is stored before state. */
	kup_u32 state;
	kup_u32 error;
	kup_u8 pad1[KUP_LINE - 8];

	struct kup_word to_user_head;
	struct kup_word to_user_producer_event;
	struct kup_word to_kernel_tail;
	struct kup_word to_kernel_consumer_event;

	/* Counters since ATTACH; the protocol does not use them. */
	kup_u64 to_user_records;
	kup_u64 to_user_payload;
	kup_u64 dropped_no_space; /* records lost by producers that must not sleep */
	kup_u64 dropped_too_long;
	kup_u64 wakeups; /* how often the kernel's side woke the user */
	kup_u8 pad2[KUP_LINE - 40];
	kup_u64 to_kernel_records;
	kup_u64 to_kernel_payload;
	kup_u64 sleeps; /* how often the kernel's side went to sleep */
	kup_u8 pad3[KUP_LINE - 24];
};
KUP_ABI_ASSERT(sizeof(struct kup_kernel_page) == 0x400);
KUP_ABI_AT(kup_kernel_page, magic, 0);
KUP_ABI_AT(kup_kernel_page, abi_version, 8);
KUP_ABI_AT(kup_kernel_page, mode, 12);
KUP_ABI_AT(kup_kernel_page, features, 16);
KUP_ABI_AT(kup_kernel_page, required, 24);
KUP_ABI_AT(kup_kernel_page, instance, 32);
KUP_ABI_AT(kup_kernel_page, page_size, 40);
KUP_ABI_AT(kup_kernel_page, channel, 44);
KUP_ABI_AT(kup_kernel_page, generation, 48);
KUP_ABI_AT(kup_kernel_page, to_user_bytes, 52);
KUP_ABI_AT(kup_kernel_page, to_kernel_bytes, 56);
KUP_ABI_AT(kup_kernel_page, spin_us, 60);
KUP_ABI_AT(kup_kernel_page, state, 0x80);
KUP_ABI_AT(kup_kernel_page, error, 0x84);
KUP_ABI_AT(kup_kernel_page, to_user_head, 0x100);
KUP_ABI_AT(kup_kernel_page, to_user_producer_event, 0x180);
KUP_ABI_AT(kup_kernel_page, to_kernel_tail, 0x200);
KUP_ABI_AT(kup_kernel_page, to_kernel_consumer_event, 0x280);
KUP_ABI_AT(kup_kernel_page, to_user_records, 0x300);
KUP_ABI_AT(kup_kernel_page, to_user_payload, 0x308);
KUP_ABI_AT(kup_kernel_page, dropped_no_space, 0x310);
KUP_ABI_AT(kup_kernel_page, dropped_too_long, 0x318);
KUP_ABI_AT(kup_kernel_page, wakeups, 0x320);
KUP_ABI_AT(kup_kernel_page, to_kernel_records, 0x380);
KUP_ABI_AT(kup_kernel_page, to_kernel_payload, 0x388);
KUP_ABI_AT(kup_kernel_page, sleeps, 0x390);

struct kup_user_page {
	struct kup_word to_kernel_head;
	struct kup_word to_kernel_producer_event;
	struct kup_word to_user_tail;
	struct kup_word to_user_consumer_event;
};
KUP_ABI_ASSERT(sizeof(struct kup_user_page) == 0x200);
KUP_ABI_AT(kup_user_page, to_kernel_head, 0);
KUP_ABI_AT(kup_user_page, to_kernel_producer_event, 0x80);
KUP_ABI_AT(kup_user_page, to_user_tail, 0x100);
KUP_ABI_AT(kup_user_page, to_user_consumer_event, 0x180);

/* ---- ioctls: every reserved field must be zero on the way in, and is zero on the way out ---- */

/* INFO: describes the device, without attaching. Output only. */
struct kup_info {
	kup_u32 abi_version;
	kup_u32 attached; /* this handle's channel, or KUP_CHANNEL_ANY while it has none */
	kup_u64 features; /* a process may ignore these */
	kup_u64 required; /* a process must understand these */
	kup_u32 mode;
	kup_u32 page_size;
	kup_u32 channels;
	kup_u32 channels_free;
	kup_u32 to_user_bytes; /* the size that ATTACH gives for 0 */
	kup_u32 to_kernel_bytes;
	kup_u32 max_to_user_bytes; /* the largest size that it gives */
	kup_u32 max_to_kernel_bytes;
	kup_u32 attached_to_user_bytes; /* of this handle's channel; 0 while it has none */
	kup_u32 attached_to_kernel_bytes;
	char name[KUP_NAME_MAX];
	kup_u64 instance; /* this device's number; no other one gets it until the next boot */
	kup_u64 attaches; /* of all channels, since the device was created */
	kup_u32 spin_us;
	kup_u32 clock; /* of the stamps: KUP_CLOCK_*; KUP_CLOCK_NONE if there are none */
	kup_u8 reserved[104];
};
KUP_ABI_ASSERT(sizeof(struct kup_info) == 256);
KUP_ABI_AT(kup_info, abi_version, 0);
KUP_ABI_AT(kup_info, attached, 4);
KUP_ABI_AT(kup_info, features, 8);
KUP_ABI_AT(kup_info, required, 16);
KUP_ABI_AT(kup_info, mode, 24);
KUP_ABI_AT(kup_info, page_size, 28);
KUP_ABI_AT(kup_info, channels, 32);
KUP_ABI_AT(kup_info, channels_free, 36);
KUP_ABI_AT(kup_info, to_user_bytes, 40);
KUP_ABI_AT(kup_info, to_kernel_bytes, 44);
KUP_ABI_AT(kup_info, max_to_user_bytes, 48);
KUP_ABI_AT(kup_info, max_to_kernel_bytes, 52);
KUP_ABI_AT(kup_info, attached_to_user_bytes, 56);
KUP_ABI_AT(kup_info, attached_to_kernel_bytes, 60);
KUP_ABI_AT(kup_info, name, 64);
KUP_ABI_AT(kup_info, instance, 128);
KUP_ABI_AT(kup_info, attaches, 136);
KUP_ABI_AT(kup_info, spin_us, 144);
KUP_ABI_AT(kup_info, clock, 148);

/*
 * ATTACH: claims a channel. After the last user of a channel has gone, the kernel client may still
 * drain it. ATTACH waits for that, for a second at most, unless KUP_ATTACH_NOWAIT or O_NONBLOCK is
 * set. It never waits for another user: poll, then try again.
 */
#define KUP_ATTACH_NOWAIT 1u
#define KUP_ATTACH_DRAIN_MS 1000

struct kup_attach {
	kup_u32 abi_version;   /* in: KUP_ABI_VERSION */
	kup_u32 flags;	       /* in: KUP_ATTACH_NOWAIT or 0 */
	kup_u64 understood;    /* in: all feature bits that the caller understands */
	kup_u64 instance;      /* in: INFO's, or 0 for any; out: INFO's */
	kup_u32 channel;       /* in: a number or KUP_CHANNEL_ANY; out: the channel's number */
	kup_u32 generation;    /* in: 0; out: as in the kernel page */
	kup_u32 to_user_bytes; /* in: a size, or 0; out: the ring's size */
	kup_u32 to_kernel_bytes;
	kup_u64 map_bytes; /* in: 0; out: where the last area ends, KUP_MAP_BYTES */
	kup_u8 reserved[80];
};
KUP_ABI_ASSERT(sizeof(struct kup_attach) == 128);
KUP_ABI_AT(kup_attach, abi_version, 0);
KUP_ABI_AT(kup_attach, flags, 4);
KUP_ABI_AT(kup_attach, understood, 8);
KUP_ABI_AT(kup_attach, instance, 16);
KUP_ABI_AT(kup_attach, channel, 24);
KUP_ABI_AT(kup_attach, generation, 28);
KUP_ABI_AT(kup_attach, to_user_bytes, 32);
KUP_ABI_AT(kup_attach, to_kernel_bytes, 36);
KUP_ABI_AT(kup_attach, map_bytes, 40);

/* STATS: one channel's counters since the device was created, summed over all its users. */
struct kup_stats {
	kup_u32 channel;    /* in: a number */
	kup_u32 state;	    /* out from here on: KUP_STATE_* */
	kup_u32 error;	    /* of the current user; KUP_ERROR_* */
	kup_u32 generation; /* how often the channel was attached */
	kup_u64 to_user_records;
	kup_u64 to_user_payload;
	kup_u64 dropped_no_space;
	kup_u64 dropped_too_long;
	kup_u64 to_kernel_records;
	kup_u64 to_kernel_payload;
	kup_u64 wakeups; /* how often the kernel's side woke the user */
	kup_u64 sleeps;	 /* how often the kernel's side went to sleep */
	kup_u64 kicks;	 /* KICK calls by attached handles */
	kup_u64 ioctls;	 /* all ioctl calls by attached handles, KICK included */
	kup_u64 polls;	 /* looks by poll at attached handles: one per call and per wake-up */
	/* Of the current user. All are 0 while the channel is free, and from a module without them. */
	kup_u32 to_user_bytes; /* ring sizes, not doubled */
	kup_u32 to_kernel_bytes;
	kup_u32 to_user_used; /* the bytes between tail and head: records not given back yet */
	kup_u32 to_kernel_used;
	kup_u32 process; /* that attached the channel, by the caller's numbers; 0: not visible */
	kup_u8 reserved[4];
};
KUP_ABI_ASSERT(sizeof(struct kup_stats) == 128);
KUP_ABI_AT(kup_stats, channel, 0);
KUP_ABI_AT(kup_stats, state, 4);
KUP_ABI_AT(kup_stats, error, 8);
KUP_ABI_AT(kup_stats, generation, 12);
KUP_ABI_AT(kup_stats, to_user_records, 16);
KUP_ABI_AT(kup_stats, to_user_payload, 24);
KUP_ABI_AT(kup_stats, dropped_no_space, 32);
KUP_ABI_AT(kup_stats, dropped_too_long, 40);
KUP_ABI_AT(kup_stats, to_kernel_records, 48);
KUP_ABI_AT(kup_stats, to_kernel_payload, 56);
KUP_ABI_AT(kup_stats, wakeups, 64);
KUP_ABI_AT(kup_stats, sleeps, 72);
KUP_ABI_AT(kup_stats, kicks, 80);
KUP_ABI_AT(kup_stats, ioctls, 88);
KUP_ABI_AT(kup_stats, polls, 96);
KUP_ABI_AT(kup_stats, to_user_bytes, 104);
KUP_ABI_AT(kup_stats, to_kernel_bytes, 108);
KUP_ABI_AT(kup_stats, to_user_used, 112);
KUP_ABI_AT(kup_stats, to_kernel_used, 116);
KUP_ABI_AT(kup_stats, process, 120);

/*
 * The engine uses no ioctl numbers and includes no system header: it defines KUP_ABI_NO_IOCTL. A
 * command's number contains its argument's size, so a wrong size is a wrong number.
 */
#ifndef KUP_ABI_NO_IOCTL
#if defined(__linux__)
#include <linux/ioctl.h>
#else
#include <sys/ioccom.h>
#endif
#define KUP_IOC_INFO _IOR(0xe7, 1, struct kup_info)
#define KUP_IOC_ATTACH _IOWR(0xe7, 2, struct kup_attach)
#define KUP_IOC_KICK _IO(0xe7, 3) /* wakes the kernel's side of this handle's channel */
#define KUP_IOC_STATS _IOWR(0xe7, 4, struct kup_stats)
#endif

#endif
