/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peers in C++, from Debian's packages: Boost's spsc_queue, and the ReaderWriterQueue of
 * libreaderwriterqueue-dev. A queue whose header is missing is left out.
 */
#include <cerrno>

#include "rounds.h"

#if __has_include(<boost/lockfree/spsc_queue.hpp>)
#include <boost/lockfree/spsc_queue.hpp>
#define HAVE_BOOST 1
#endif
#if __has_include(<readerwriterqueue.h>)
#include <readerwriterqueue.h>
#define HAVE_READERWRITER 1
#endif

namespace
{

constexpr size_t SLOTS = 1024;

struct alignas(64) Slot {
	unsigned char bytes[64];
};

#ifdef HAVE_BOOST
struct Boost {
	boost::lockfree::spsc_queue<Slot, boost::lockfree::capacity<SLOTS>> queue;

	bool push(const Slot &slot)
	{
		return queue.push(slot);
	}
	bool pop(Slot &slot)
	{
		return queue.pop(slot);
	}
};
#endif

#ifdef HAVE_READERWRITER
struct ReaderWriter {
	moodycamel::ReaderWriterQueue<Slot> queue{ SLOTS };

	bool push(const Slot &slot)
	{
		return queue.try_enqueue(slot);
	}
	bool pop(Slot &slot)
	{
		return queue.try_dequeue(slot);
	}
};
#endif

/* The rounds over a queue. Each makes new ones, so that a failed round leaves nothing behind. */
template <typename Queue> struct Rounds {
	static Queue *there, *back;

	static void push(Queue &queue, const Slot &slot)
	{
		while (!queue.push(slot))
			;
	}

	static void pop(Queue &queue, Slot &slot)
	{
		while (!queue.pop(slot))
			;
	}

	static void echo_main(const struct round *round)
	{
		Slot slot;

		for (uint32_t i = 0; i < round->count + WARM_UP; i++) {
			pop(*there, slot);
			push(*back, slot);
		}
	}

	static double echo(const struct round *round)
	{
		Queue first, second;
		struct helper helper = { round, echo_main, 0 };
		struct stopwatch watch = { 0, 0 };
		Slot slot = {};
		bool wrong = false;

		there = &first;
		back = &second;
		int error = round->length == sizeof(Slot) ? helper_start(&helper) : EMSGSIZE;
		if (error)
			return -error;
		for (uint32_t i = 0; i < round->count + WARM_UP; i++) {
			if (i >= WARM_UP)
				stopwatch_item(&watch, round, i - WARM_UP);
			put_word(slot.bytes, i);
			push(first, slot);
			pop(second, slot);
			wrong |= get_word(slot.bytes) != i;
		}
		helper_join(&helper);
		return wrong ? -EILSEQ : stopwatch_end(&watch, round);
	}

	static void stream_main(const struct round *round)
	{
		Slot slot = {};

		for (uint32_t i = 0; i < round->count; i++) {
			put_word(slot.bytes, i);
			push(*there, slot);
		}
	}

	static double stream(const struct round *round)
	{
		Queue queue;
		struct helper helper = { round, stream_main, 0 };
		Slot slot;
		uint64_t sum = 0;
		double start = 0;

		there = &queue;
		int error = round->length == sizeof(Slot) ? helper_start(&helper) : EMSGSIZE;
		if (error)
			return -error;
		for (uint32_t i = 0; i < round->count; i++) {
			pop(queue, slot);
			if (i == 0)
				start = now_ns();
			sum += get_word(slot.bytes);
		}
		double end = now_ns();
		helper_join(&helper);
		return sum == sum_below(round->count) ? (end - start) / (round->count - 1)
						      : -EILSEQ;
	}
};

template <typename Queue> Queue *Rounds<Queue>::there;
template <typename Queue> Queue *Rounds<Queue>::back;

} // namespace

extern "C" const struct round_entry queue_rounds[] = {
#ifdef HAVE_BOOST
	{ "boost echo", Rounds<Boost>::echo, nullptr },
	{ "boost stream", Rounds<Boost>::stream, nullptr },
#endif
#ifdef HAVE_READERWRITER
	{ "readerwriterqueue echo", Rounds<ReaderWriter>::echo, nullptr },
	{ "readerwriterqueue stream", Rounds<ReaderWriter>::stream, nullptr },
#endif
	{ nullptr, nullptr, nullptr },
};
