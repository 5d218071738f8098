//! What a packet costs, piece by piece, with criterion: `cargo bench -p perf`.
//!
//! The pieces are those of which `kumiki-perf baseline` counts instructions:
//! lookup, flow hash, checksums, a whole worker with its rewrite, the generator's frames.
#![forbid(unsafe_code)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kumiki_perf::kernels::{ALL, counted_pass};

fn pieces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packet");
    for maker in &ALL {
        let mut kernel = maker.make();
        group.throughput(Throughput::Elements(kernel.packets));
        group.bench_function(kernel.name, |bencher| bencher.iter(|| counted_pass(&mut kernel)));
    }
    group.finish();
}

criterion_group!(benches, pieces);
criterion_main!(benches);
