use super::*;
use ndarray::concatenate;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SIZES: [usize; 4] = [5, 2, 3, 4];

/// Numbers that PyTorch has, too.
fn waves(rows: usize, columns: usize, phase: f64) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| (phase + 1.7 * i as f64 + 0.9 * j as f64).sin())
}

/// Blocks of n rows in another order.
fn blocks(rows: &Array2<f64>, order: &[usize]) -> Array2<f64> {
    let n = rows.nrows() / order.len();
    let parts: Vec<_> = order.iter().map(|k| rows.slice(s![k * n..(k + 1) * n, ..])).collect();
    concatenate(Axis(0), &parts).unwrap()
}

/// The values of every step and all gradients are those that `witness.py` printed: the gates of a
/// GRU come as r, z and n there, ours as n_x, r, z and n_h.
#[test]
fn values_and_gradients_are_pytorch_s() {
    let mut due = include_str!("witness.txt")
        .lines()
        .map(|line| -> Vec<f64> { line.split(' ').map(|v| v.parse().unwrap()).collect() });
    let [steps, samples, n_in, n] = SIZES;
    for cell in [Cell::Lstm, Cell::Gru] {
        let gates = cell.spns() / 2;
        // Of x and of h: where each of ours is there, and back.
        let (of_x, of_h, back) = match cell {
            Cell::Lstm => (vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![0, 1, 2, 3]),
            Cell::Gru => (vec![2, 0, 1], vec![0, 1, 2], vec![1, 2, 0]),
        };
        let mut layer =
            Recurrent::<f64>::new(cell, (n_in, n), None, &mut ChaCha8Rng::seed_from_u64(0));
        layer.x.w_b.weights.value = blocks(&waves(gates * n, n_in, 0.1), &of_x);
        layer.h.w_b.weights.value = blocks(&waves(gates * n, n, 0.2), &of_h);
        let [b_x, b_h] = [0.3, 0.4].map(|phase| waves(1, gates * n, phase).reversed_axes());
        let bias = match cell {
            Cell::Lstm => b_x + b_h,
            Cell::Gru => {
                let [n_x, n_h] = [&b_x, &b_h].map(|b| b.slice(s![2 * n.., ..]).to_owned());
                let both = (b_x + b_h).slice(s![..2 * n, ..]).to_owned();
                concatenate![Axis(0), n_x, both, n_h]
            }
        };
        layer.bias.value = bias.t().as_standard_layout().into_owned();

        let x = waves(steps * samples, n_in, 0.5);
        let mut memory = Memory::new(x.nrows(), samples, &layer);
        let mut z = Array2::zeros((x.nrows(), n));
        layer.forward(x.view(), samples, &mut layer.start(samples), &mut memory, &mut z);
        let dz = Array2::from_shape_fn(z.dim(), |(i, j)| (1 + i * n + j) as f64);
        let (mut gradients, mut dx) = (layer.gradients(), Array2::zeros(x.dim()));
        let to = Some(dx.view_mut());
        layer.backward(x.view(), samples, &dz, &mut memory, &mut gradients, to);
        let of_bias = gradients[2].t().as_standard_layout().into_owned();
        let of_bias = match cell {
            Cell::Lstm => of_bias,
            Cell::Gru => blocks(&of_bias, &[1, 2, 0, 3]),
        };
        let ours = [z, dx, blocks(&gradients[0], &back), gradients[1].clone(), of_bias];
        for (part, ours) in ours.into_iter().enumerate() {
            let due = due.next().unwrap();
            assert_eq!(ours.len(), due.len());
            for (ours, due) in ours.iter().zip(due) {
                let close = (ours - due).abs() < 1e-9 * due.abs().max(1.0);
                assert!(close, "{cell:?}, {part}: {ours} against {due}");
            }
        }
    }
    assert!(due.next().is_none());
}
