//! The contract of the queue's port, which `engine::testing` holds, kept by SQS in memory, watched and unwatched, and
//! by SQS on LocalStack: each clause a test.
//!
//! Enters: a bench of each. Leaves: what is broken. `differences` holds what LocalStack does otherwise than AWS, each
//! under a name that says so.

mod bench;
mod differences;

mod memory {
    ::engine::queue_contract! { #[tokio::test(start_paused = true)] ::engine::testing::queue::InMemory }
}
mod watched {
    ::engine::queue_contract! { #[tokio::test(start_paused = true)] super::bench::Watched }
}
mod localstack {
    ::engine::queue_contract! { #[tokio::test] super::bench::OnLocalStack }
}

mod fifo {
    mod memory {
        ::engine::fifo_contract! { #[tokio::test(start_paused = true)] ::engine::testing::queue::InMemory }
    }
    mod watched {
        ::engine::fifo_contract! { #[tokio::test(start_paused = true)] crate::queue_contract::bench::Watched }
    }
    mod localstack {
        ::engine::fifo_contract! { #[tokio::test] crate::queue_contract::bench::OnLocalStack }
    }
}

/// As an outside team may call it: a suite in one test.
#[tokio::test(start_paused = true)]
async fn the_whole_contract_in_one_test_names_what_was_kept() {
    use ::engine::testing::queue::{CLAUSES, InMemory, contract, fifo};
    assert_eq!(contract::<InMemory>().await, CLAUSES);
    assert_eq!(fifo::contract::<InMemory>().await, fifo::CLAUSES);
}
