// SPDX-License-Identifier: BSD-3-Clause
//! A peer: round trips over two publish-subscribe services of iceoryx2, between two threads that
//! look all the time.

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use std::sync::Barrier;
use std::time::Instant;

type Error = Box<dyn std::error::Error>;

/// As in the other peers.
const WARM_UP: u32 = 20;

#[derive(Debug, Clone, Copy, ZeroCopySend)]
#[repr(C)]
struct Slot {
    words: [u64; 8],
}

/// One direction of one side.
struct Side {
    publisher: Publisher<ipc::Service, Slot, ()>,
    subscriber: Subscriber<ipc::Service, Slot, ()>,
    _node: Node<ipc::Service>,
}

impl Side {
    fn new(publishes: &str, subscribes: &str) -> Result<Self, Error> {
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let open = |name: &str| -> Result<_, Error> {
            Ok(node
                .service_builder(&name.try_into()?)
                .publish_subscribe::<Slot>()
                .open_or_create()?)
        };
        Ok(Self {
            publisher: open(publishes)?.publisher_builder().create()?,
            subscriber: open(subscribes)?.subscriber_builder().create()?,
            _node: node,
        })
    }

    fn send(&self, slot: Slot) -> Result<(), Error> {
        self.publisher.loan_uninit()?.write_payload(slot).send()?;
        Ok(())
    }

    fn receive(&self) -> Result<Slot, Error> {
        loop {
            if let Some(sample) = self.subscriber.receive()? {
                return Ok(*sample);
            }
        }
    }
}

/// Puts the calling thread on a processor; negative: any. Of the rounds in C.
type Pin = extern "C" fn(i32) -> i32;

fn answer(ready: &Barrier, trips: u32) -> Result<(), String> {
    let side = Side::new("kup bench back", "kup bench there").map_err(|error| error.to_string());
    ready.wait();
    let side = side?;
    for _ in 0..trips {
        side.receive()
            .and_then(|slot| side.send(slot))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn round(count: u32, theirs: i32, pin: Pin) -> Result<f64, Error> {
    let trips = count + WARM_UP;
    let ready = Barrier::new(2);
    std::thread::scope(|scope| {
        let helper = scope.spawn(|| {
            pin(theirs);
            answer(&ready, trips)
        });
        let side = Side::new("kup bench there", "kup bench back");
        ready.wait();
        let side = side?;
        let mut start = Instant::now();
        for trip in 0..trips {
            if trip == WARM_UP {
                start = Instant::now();
            }
            side.send(Slot {
                words: [u64::from(trip); 8],
            })?;
            if side.receive()?.words[0] != u64::from(trip) {
                return Err("a wrong echo".into());
            }
        }
        let elapsed = start.elapsed();
        helper.join().map_err(|_| "the other side has panicked")??;
        Ok(elapsed.as_nanos() as f64 / f64::from(count))
    })
}

/// Returns ns per trip, or -5 (EIO) after it has printed what is wrong.
#[no_mangle]
pub extern "C" fn bench_iceoryx2(count: u32, theirs: i32, pin: Pin) -> f64 {
    set_log_level(LogLevel::Error);
    round(count, theirs, pin).unwrap_or_else(|error| {
        eprintln!("bench: iceoryx2: {error}");
        -5.0
    })
}
