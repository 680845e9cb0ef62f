/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * KUP's contract: all that a kernel module and a process must agree on. The engine, every
 * backend, the native library and TypeScript (through src/abi.ts, generated from here) use
 * this file and no other. It needs no header but the system's ioctl encoding.
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
 *   close(fd)                           the channel is free again (also by exit and kill -9)
 *
 * close() counts when the last descriptor of the open file goes. Mappings do not hold the
 * channel: they keep the pages of their areas alive and readable, but no other process ever sees
 * those pages, and the next owner gets fresh zeroed ones. How many closed channels a user may keep
 * mapped is limited: see ENOMEM. Mappings are not inherited by fork (unless a process
 * asks for it by MADV_DOFORK, or on FreeBSD by minherit).
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
 *   (*) The kernel never reads the to_user data back. A process that writes there harms itself.
 *
 *   All words are in native byte order. A u64 is aligned to 8 bytes, also for a 32-bit process. KUP
 *   is not built for machines whose SHMLBA is more than a page.
 *
 *
 * A ring: positions and records
 *
 *   Positions are free-running u32 byte counts; the byte at position p is data[p % ring_bytes], and
 *   ring_bytes is a power of two. All positions are multiples of KUP_RECORD_ALIGN. A record is a
 *   kup_record_header and its payload, padded to KUP_RECORD_ALIGN; it takes
 *   KUP_RECORD_SPACE(length). Records lie one behind the other from the consumer's tail on:
 *
 *        tail                              end              head
 *         | READY  | READY  | READY DISCARD | 0    | READY   | 0 |
 *         +--------+--------+---------------+------+---------+---+
 *           finished                          open   finished  sentinel
 *
 *   `head` is where the producer's next record begins, `tail` is what the consumer has given back.
 *   `end` is where the first unfinished record begins; each side knows its own, and no word holds
 *   it.
 *
 *   A record without KUP_RECORD_READY is not finished, and a consumer stops there. A record with
 *   KUP_RECORD_DISCARD is skipped. A record with KUP_RECORD_CONTROL is no message: its type is a
 *   KUP_CONTROL_* kind. The mode says which kinds each side may send; a user skips an unknown kind
 *   that has KUP_CONTROL_OPTIONAL, and everything else is a lie. All other flags are zero.
 *
 *
 * Publication: why a consumer never reads what is not there
 *
 *   A producer, which serialises its calls by a lock of its own:
 *
 *     1. waits until head + space + 8 - tail <= ring_bytes: the record and a header behind it;
 *     2. stores the sentinel, a zero length_flags, behind the record;
 *     3. stores head + space as head;
 *     4. writes payload and type; several records may be at this step, and finish in any order;
 *     5. if the record became shorter, stores a DISCARD READY header for the rest;
 *     6. store-releases length_flags with READY;
 *     7. executes a full fence, loads consumer_event, and wakes as described below.
 *
 *   A consumer load-acquires length_flags at its cursor: READY makes payload, type, the sentinel
 *   behind the record and a head that lies behind it visible. So it never meets an old byte in the
 *   place of a header: behind each finished record there is a record, or the sentinel. Fresh memory
 *   is zero, which is a sentinel, too. What a consumer polls, header or head, is its own choice.
 *
 *   A consumer gives room back by a store-release of tail. It may keep up to an eighth of the ring
 *   back while more is readable, but it publishes its tail
 *     - when nothing readable is left behind the record that it has released,
 *     - when an eighth of the ring is unpublished,
 *     - when producer_event lies between the published and the real tail, at each release,
 *     - before it sleeps for anything on this channel, and at the end of a batch.
 *
 *   The kernel believes no header: SPACE(length) + 8 <= ring_bytes keeps it inside the mapping. Each
 *   time that it has read an eighth of the ring, and before each sleep, it loads head, and breaks the
 *   channel unless cursor <= head <= cursor + ring_bytes. So a ring full of forged headers feeds it
 *   no more than an eighth.
 *
 *   The end. When a consumer finds nothing, it load-acquires state. If the kernel's side has closed,
 *   the user looks once more: what is READY then is the rest. When the user is gone, the kernel
 *   loads head once, reads what is READY before it, and no more: a user that died between the
 *   sentinel and its header leaves an unfinished record, which is the end.
 *
 *
 * Events: why no wake-up is lost, and why busy sides make none
 *
 *   There are no flags to set and clear. A side that is going to sleep stores the position that it
 *   sleeps for, executes a full fence, looks once more, and only then sleeps:
 *
 *   consumer_event = P   for the record that contains position P. A producer whose end moves from
 *                        E0 to E1 wakes if P lies in [E0, E1). Its cursor stands for "anything"; for
 *                        n bytes (a watermark, half a ring at most) P is cursor + n - 1, rounded
 *                        down to KUP_RECORD_ALIGN.
 *   producer_event = X   for room up to X. A consumer that publishes a tail T1 after T0 wakes if X
 *                        lies in (T0, T1].
 *
 *   The other side publishes, executes a full fence, and then loads the event. Of two full fences
 *   one is the first: so either the sleeper's second look sees what was published, or the other side
 *   sees the event. An event is passed once in 4 GiB, so a sleep costs one wake-up at most. A fresh
 *   page holds zeros: the first record may wake a side that does not sleep, which is harmless. The
 *   low three bits of an event are zero, and reserved.
 *
 *   - A sleep for a watermark that ends by time stores the cursor, so the next record wakes.
 *   - A producer that fails for room wakes a consumer whose event lies ahead: with a full ring the
 *     watermark may never be reached. So a consumer with a watermark looks at producer_event, too,
 *     before it sleeps: if that lies in (tail, tail + ring_bytes], it takes what is there.
 *   - Close, break, and records that were lost (a GAP) wake always.
 *   - Several threads that sleep for one word announce the nearest position. Once that is reached,
 *     or replaced after it was, all of them look, and those that still sleep announce again.
 *
 *   A user sleeps in poll(2), and wakes the kernel with KUP_IOC_KICK.
 *
 *
 * Control records
 *
 *   GAP   to the user: here records are missing, which a producer that must not sleep could not
 *         place. A kup_gap; a reader accepts a longer one.
 *   PASS  turn mode: gives the turn. No payload.
 *   END   reserved: the sender has sent all that it will send, and still reads. No payload.
 *
 *
 * Turn mode: a layer on the rings, which know nothing of it
 *
 *   One side at a time may send; the kernel has the first turn. A record gives the turn to the side
 *   that receives it: so a side has the turn exactly if it has received a record since it last sent
 *   one. A control record KUP_CONTROL_PASS has no payload, and gives the turn without a message; a
 *   discarded record gives nothing. There are no GAP records.
 *   A side that is about to send first releases the record that has brought the turn, and publishes
 *   its tail: so the side that has the turn has an empty ring. A finished record behind the one that
 *   has brought the turn is a lie (KUP_ERROR_TURN).
 *   A side waits for its turn as it waits for a record.
 *
 *
 * Stamps, and calls: reserved, not built yet
 *
 *   On a channel with KUP_FEATURE_STAMPS (required) the payload of each record to the user, GAP
 *   records included, begins with a kup_stamp, which the header's length contains. The time is
 *   taken under the producer's lock, by a clock that does not go back between processors; INFO names
 *   it. The sequence counts records that were placed or lost; a discarded one leaves a hole.
 *
 *   A layer for request and reply puts a kup_call before each payload; the method is the type.
 *   Modes from 0x80000000 on are layers of clients' own; types from KUP_TYPE_RESERVED on are KUP's.
 *
 *
 * Sizes
 *
 *   ATTACH may ask for ring sizes in bytes: 0 is the device's default, others are rounded up to a
 *   power of two of at least a page; more than the device's maximum is EINVAL. ATTACH returns the
 *   sizes, and mmap takes no other ones. INFO has defaults and maxima, and the real sizes of the
 *   channel that the handle has.
 *
 *
 * Versions and features
 *
 *   KUP_ABI_VERSION changes when an old program would misunderstand a new kernel, or the reverse;
 *   both must be equal. Everything else is a feature bit: a process may ignore those of `features`;
 *   those of `required` it must understand, and it says so in ATTACH's `understood`, or gets
 *   EOPNOTSUPP. Numbers and sizes of the ioctls, and the first two fields of INFO, never change, so
 *   each version can find out which one it meets. Reserved fields and the pages below 0x800 are zero.
 *
 *   1  2026-11  the first: streams and turns, INFO, ATTACH, KICK, STATS.
 *
 *
 * Instances
 *
 *   A path may lead to a new device while a process still has a handle of the old one, and a
 *   process opens a handle for each channel. So INFO contains `instance`, the number of this very
 *   device, and ATTACH takes it: if the handle belongs to another device, ATTACH fails with ENODEV
 *   and attaches nothing. 0 stands for any device, and is no device's number. No two devices have
 *   the same number until the system is started again, also if the module that counts them is
 *   loaded again: the count begins with the nanoseconds since boot, and to make a device takes
 *   longer than one. The order of the numbers has no meaning.
 *
 *
 * Trust
 *
 *   The kernel loads each user-written word once and checks it against state of its own. On a
 *   lie it sets state to KUP_STATE_BROKEN and error to the reason; this channel is then over, and
 *   no other one is affected. The kernel page is its output only: it is never read back.
 *   INFO and STATS answer every handle, for every channel: how much others send is no secret
 *   between those who may open the device. What they send is. docs/security.md has the whole.
 *
 *   word or bytes              the check                                      the lie
 *   to_kernel.head             aligned; cursor <= head <= cursor + ring_bytes HEAD
 *   to_user.tail               aligned; not backwards; not beyond head        TAIL
 *   length of a record         SPACE + 8 <= ring_bytes; not beyond a last     LENGTH
 *                              head
 *   flags, kind of a record    only those that a user may send                FLAGS
 *   a second record in a turn  none; no payload in a pass                     TURN
 *   both events                none: a wrong one makes its own user's wake-ups wrong
 *   type, payload              none: the client's own business
 *
 *
 * What poll(2) reports
 *
 *   before ATTACH  POLLIN          a channel is free: any, or, after an ATTACH that failed with
 *                                  EBUSY, the one that it asked for
 *                  POLLHUP         the device is gone
 *   after ATTACH   POLLIN          a finished record lies behind tail, and consumer_event is not
 *                                  ahead of it (or the kernel lacks room); or the channel is closed
 *                                  or broken
 *                  POLLOUT         the ring towards the kernel isn't full, and its tail has reached
 *                                  the user's producer_event
 *                  POLLHUP         the kernel's side is closed; what is in the ring can be read
 *                  POLLERR         the channel is broken (POLLHUP is reported, too)
 *                  With POLLHUP come POLLIN and POLLOUT: there is nothing to wait for.
 *   A poll that finds nothing arms a wake-up by itself; the event positions are what makes a
 *   wake-up happen while the process is not inside poll, as with a permanent epoll registration.
 *
 *   kqueue(2) says the same: EVFILT_READ is POLLIN, EVFILT_WRITE is POLLOUT, EV_EOF is POLLHUP,
 *   and then EPROTO in fflags is POLLERR. (FreeBSD's poll(2) itself never shows POLLOUT together with
 *   POLLHUP, and closes a file under those who wait for it.)
 *
 *
 * Errors (positive errno values, as a process sees them; checked in this order)
 *
 *   open    ENXIO           the device is being destroyed, or could not be created
 *   ioctl   ENOTTY          not one of the commands below (also: right number, wrong size)
 *           EBADF           ATTACH, KICK: the handle is not open for reading and writing
 *           EFAULT          the argument can't be read or written
 *           EPROTONOSUPPORT ATTACH: abi_version is not this one
 *           EINVAL          ATTACH: unknown flag, reserved field not zero; STATS: that, or no such
 *                           channel
 *           EOPNOTSUPP      ATTACH: `required` has a feature that `understood` lacks
 *           ENODEV          ATTACH: `instance` is another device's
 *           EINVAL          ATTACH: no such channel; a ring larger than the device's maximum
 *           ENODEV          the device is gone; only close is left (KICK of a channel: EPIPE)
 *           EISCONN         ATTACH: this handle has a channel already
 *           EBUSY           ATTACH: the channel, or every channel, is taken
 *           EINTR           ATTACH: a signal came while waiting for the last owner's kernel side
 *           ENOMEM          ATTACH: no memory, or the caller's limits (a cgroup; RLIMIT_SWAP)
 *                           allow no more. On Linux also: the caller's user keeps mappings of as
 *                           many closed channels of this device as it has channels, and at least 8;
 *                           one that is unmapped makes room
 *           ENOTCONN        KICK: nothing is attached
 *           EPIPE           KICK: the channel is closed or broken
 *           other           ATTACH: whatever the kernel client refused with; or the system, to have
 *                           a kernel thread in the caller's cgroups
 *   mmap    ENOTCONN        nothing is attached
 *           EINVAL          not exactly one whole area, or not MAP_SHARED
 *           EACCES          PROT_WRITE on the kernel page (by mprotect later, too), or PROT_EXEC
 *                           (but a process with the personality READ_IMPLIES_EXEC, which asks for
 *                           that each time, gets a mapping that is not executable)
 *           ENODEV          the device is gone
 *           EFAULT          mremap that would grow or duplicate a mapping
 *   read, write: EINVAL.  lseek: ESPIPE.
 *   On FreeBSD EFAULT comes before all others, for the kernel itself copies arguments; and an ATTACH
 *   whose result can't be written has attached (INFO tells), as it was copied too late.
 */
#ifndef KUP_ABI_H
#define KUP_ABI_H

#define KUP_ABI_VERSION 1

/* The compiler's own exact-width types: the same in every kernel and in every process. */
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

/* ---- Limits (bytes unless said otherwise) ---- */

#define KUP_LINE 128		    /* each polled word has a line of this size to itself */
#define KUP_RECORD_ALIGN 8	    /* records begin and end at multiples of this */
#define KUP_RECORD_HEADER 8	    /* sizeof(struct kup_record_header) */
#define KUP_MIN_RING 4096	    /* and at least one page */
#define KUP_MAX_RING 0x10000000u    /* 256 MiB: lengths have 28 bits */
#define KUP_MAX_CHANNELS 1024	    /* channels of one device */
#define KUP_NAME_MAX 64		    /* a device's name with its NUL */
#define KUP_CHANNEL_ANY 0xffffffffu /* ATTACH: any free channel */

/* What one record takes of a ring: header, payload, padding. */
#define KUP_RECORD_SPACE(length) (((kup_u32)(length) + 15u) & ~7u)

/*
 * The longest payload that the kernel sends: a GAP record, the record behind it and the sentinel
 * always fit into an empty ring. Towards the kernel whatever fits is valid; a well-behaved user
 * keeps to the same limit.
 */
#define KUP_RECORD_RESERVE 40
#define KUP_MAX_PAYLOAD(ring_bytes) ((ring_bytes)-KUP_RECORD_RESERVE)

/* ---- Records ---- */

/* length_flags: the payload's length in the low 28 bits, flags above. */
#define KUP_RECORD_LENGTH 0x0fffffffu
#define KUP_RECORD_READY 0x80000000u   /* finished; a consumer stops at a record without it */
#define KUP_RECORD_DISCARD 0x40000000u /* carries nothing: skip it */
#define KUP_RECORD_CONTROL 0x20000000u /* no message: its type is one of KUP_CONTROL_* */

struct kup_record_header {
	kup_u32 length_flags; /* by the producer; atomic */
	kup_u32 type;	      /* the clients' own tag, which KUP gives no meaning; or a kind */
};
KUP_ABI_ASSERT(sizeof(struct kup_record_header) == KUP_RECORD_HEADER);
KUP_ABI_AT(kup_record_header, length_flags, 0);
KUP_ABI_AT(kup_record_header, type, 4);

/* Types of messages from here on are KUP's own. */
#define KUP_TYPE_RESERVED 0xffff0000u

/* Kinds of control records. */
#define KUP_CONTROL_GAP 1u  /* to the user: a kup_gap follows */
#define KUP_CONTROL_PASS 2u /* turn mode: gives the turn; no payload */
#define KUP_CONTROL_END 3u  /* reserved: the sender has sent all that it will */
#define KUP_CONTROL_OPTIONAL                                                                       \
	0x80000000u /* a user skips a kind with this bit that it does not know */

/* Which of them a record may have, as a mask of 1 << kind. */
#define KUP_CONTROLS_TO_USER(mode)                                                                 \
	((mode) == KUP_MODE_TURN ? 1u << KUP_CONTROL_PASS : 1u << KUP_CONTROL_GAP)
#define KUP_CONTROLS_TO_KERNEL(mode) ((mode) == KUP_MODE_TURN ? 1u << KUP_CONTROL_PASS : 0u)

/* "Here something is missing": what could not be placed since the last record, without sleeping. */
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

/* channel state, as the kernel page and STATS tell it */
#define KUP_STATE_FREE 0 /* STATS only: nobody is attached */
#define KUP_STATE_OPEN 1
#define KUP_STATE_CLOSED 2   /* by the kernel's side: read what is there, then stop */
#define KUP_STATE_BROKEN 3   /* the user's side broke the protocol: see error */
#define KUP_STATE_DRAINING 4 /* STATS only: the user is gone, the kernel client still reads */

/* kup_kernel_page.error: which user-written word made no sense */
#define KUP_ERROR_NONE 0
#define KUP_ERROR_HEAD 1 /* to_kernel.head: not aligned, behind what was seen, or beyond the ring */
#define KUP_ERROR_TAIL 2 /* to_user.tail: not aligned, backwards, or beyond head */
#define KUP_ERROR_LENGTH 3 /* a record that is longer than what lies before head */
#define KUP_ERROR_FLAGS 4  /* a record with flags, or of a control kind, that a user may not send */
#define KUP_ERROR_TURN 5   /* turn mode: a send out of turn; a pass with a payload */

/* modes */
#define KUP_MODE_STREAM 1	     /* full duplex, many records in flight */
#define KUP_MODE_TURN 2		     /* one side at a time: a layer */
#define KUP_MODE_CLIENTS 0x80000000u /* from here on: layers of clients' own */

/* Feature bits, of `features`, `required` and `understood`. */
#define KUP_FEATURE_GAP 1ull	/* producers that must not sleep report losses by GAP records */
#define KUP_FEATURE_SIZES 2ull	/* ATTACH takes ring sizes */
#define KUP_FEATURE_STAMPS 4ull /* reserved: a kup_stamp before each payload; required */
#define KUP_FEATURES (KUP_FEATURE_GAP | KUP_FEATURE_SIZES)

/* Reserved: the kup_stamp of a record. */
struct kup_stamp {
	kup_u64 time_ns;
	kup_u32 cpu;
	kup_u32 sequence;
};
KUP_ABI_ASSERT(sizeof(struct kup_stamp) == 16);

/* Reserved: the frame of a request or a reply. */
struct kup_call {
	kup_u64 id; /* the caller's: slot and generation */
	kup_u32 kind;
	__INT32_TYPE__ status;
};
KUP_ABI_ASSERT(sizeof(struct kup_call) == 16);

/* ---- The layout: offsets of areas, bytes of all ---- */

#define KUP_USER_PAGE_AT(page) ((kup_u64)(page))
#define KUP_TO_USER_AT(page) (2 * (kup_u64)(page))
#define KUP_TO_KERNEL_AT(page, to_user_bytes) (2 * ((kup_u64)(page) + (to_user_bytes)))
#define KUP_MAP_BYTES(page, to_user_bytes, to_kernel_bytes)                                        \
	(2 * ((kup_u64)(page) + (to_user_bytes) + (to_kernel_bytes)))

struct kup_kernel_page {
	/* constant from ATTACH on */
	kup_u64 magic;
	kup_u32 abi_version;
	kup_u32 mode;
	kup_u64 features;
	kup_u64 required;
	kup_u64 instance;
	kup_u32 page_size;
	kup_u32 channel;
	kup_u32 generation;    /* counts the attaches of this channel number, from 1 */
	kup_u32 to_user_bytes; /* ring sizes, each once (not doubled) */
	kup_u32 to_kernel_bytes;
	kup_u32 spin_us; /* how long the kernel's side looks before it sleeps */
	kup_u8 pad0[KUP_LINE - 64];

	/* atomic; error is stored before state */
	kup_u32 state;
	kup_u32 error;
	kup_u8 pad1[KUP_LINE - 8];

	struct kup_word to_user_head;
	struct kup_word to_user_producer_event;
	struct kup_word to_kernel_tail;
	struct kup_word to_kernel_consumer_event;

	/* since ATTACH; for people, not for the protocol */
	kup_u64 to_user_records;
	kup_u64 to_user_payload;
	kup_u64 dropped_no_space; /* records that a producer that must not sleep lost */
	kup_u64 dropped_too_long;
	kup_u64 wakeups; /* of the user */
	kup_u8 pad2[KUP_LINE - 40];
	kup_u64 to_kernel_records;
	kup_u64 to_kernel_payload;
	kup_u64 sleeps; /* of the kernel's side */
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

/* ---- ioctls; every reserved field must be zero on the way in, and is zero on the way out ---- */

/* INFO: the device, without attaching. Output only. */
struct kup_info {
	kup_u32 abi_version;
	kup_u32 attached; /* this handle's channel, or KUP_CHANNEL_ANY while it has none */
	kup_u64 features; /* may be ignored */
	kup_u64 required; /* must be understood */
	kup_u32 mode;
	kup_u32 page_size;
	kup_u32 channels;
	kup_u32 channels_free;
	kup_u32 to_user_bytes; /* what ATTACH gives for 0 */
	kup_u32 to_kernel_bytes;
	kup_u32 max_to_user_bytes; /* what it gives at most */
	kup_u32 max_to_kernel_bytes;
	kup_u32 attached_to_user_bytes; /* of this handle's channel; 0 while it has none */
	kup_u32 attached_to_kernel_bytes;
	char name[KUP_NAME_MAX];
	kup_u64 instance; /* the number of this device; no other one has it until the next boot */
	kup_u64 attaches; /* of all channels, since the device was created */
	kup_u32 spin_us;
	kup_u32 clock; /* reserved: of stamps; 0 */
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
 * ATTACH: claim a channel. A channel whose last user has just gone may still be drained by its
 * kernel client: ATTACH waits for that, a second at most, unless KUP_ATTACH_NOWAIT or O_NONBLOCK
 * is set. It never waits for another user: poll, then try again.
 */
#define KUP_ATTACH_NOWAIT 1u
#define KUP_ATTACH_DRAIN_MS 1000

struct kup_attach {
	kup_u32 abi_version;   /* in: KUP_ABI_VERSION */
	kup_u32 flags;	       /* in: KUP_ATTACH_NOWAIT or 0 */
	kup_u64 understood;    /* in: all feature bits that the caller understands */
	kup_u64 instance;      /* in: INFO's, or 0 for any; out: INFO's */
	kup_u32 channel;       /* in: a number or KUP_CHANNEL_ANY; out: the channel got */
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

/* STATS: one channel's counters since the device was created, over all its users. */
struct kup_stats {
	kup_u32 channel;    /* in: a number */
	kup_u32 state;	    /* out from here on: KUP_STATE_* */
	kup_u32 error;	    /* of the current user; KUP_ERROR_* */
	kup_u32 generation; /* how often it was attached */
	kup_u64 to_user_records;
	kup_u64 to_user_payload;
	kup_u64 dropped_no_space;
	kup_u64 dropped_too_long;
	kup_u64 to_kernel_records;
	kup_u64 to_kernel_payload;
	kup_u64 wakeups; /* the kernel's side woke the user */
	kup_u64 sleeps;	 /* the kernel's side went to sleep */
	kup_u64 kicks;	 /* KICK calls by attached handles */
	kup_u64 ioctls;	 /* all ioctl calls by attached handles, KICK included */
	kup_u64 polls;	 /* looks by poll at attached handles: one, and one after each wake-up */
	kup_u8 reserved[24];
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

/*
 * The engine speaks no ioctl and includes no system header: it defines KUP_ABI_NO_IOCTL. A
 * command's number carries its argument's size, so a wrong size is a wrong number.
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
