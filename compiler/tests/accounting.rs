//! What descriptions cost: the paper's table, and layers counted by hand.

use strassenc::accounting::{Accounting, Rules, accounting};
use strassenc_runtime::Network;
use strassenc_runtime::network::find;

fn resnet18(ratio: f64, p: usize, groups: usize, rules: Rules) -> Accounting {
    let mut network = find("st-resnet18").unwrap();
    (network.spn.ratio, network.spn.p, network.spn.groups) = (ratio, p, groups);
    network.validate().unwrap();
    accounting(&network, rules).unwrap()
}

/// StrassenNets, figure 2 (read off the poster): r/c_out, p, g; multiplications in millions,
/// additions in 10^9, size in 2^20 bits.
const PAPER: [(f64, usize, usize, f64, f64, f64); 15] = [
    (6.0, 1, 1, 17.9, 12.66, 164.5),
    (4.0, 1, 1, 12.93, 8.44, 115.0),
    (2.0, 1, 1, 7.96, 4.22, 65.5),
    (1.0, 1, 1, 4.97, 2.11, 28.0),
    (0.5, 1, 1, 3.73, 1.06, 15.6),
    (6.0, 2, 1, 6.72, 7.06, 345.7),
    (4.0, 2, 1, 5.48, 4.71, 235.8),
    (2.0, 2, 1, 4.24, 2.36, 125.9),
    (1.0, 2, 1, 3.11, 1.18, 58.2),
    (0.5, 2, 1, 2.79, 0.591, 30.7),
    (6.0, 1, 4, 17.9, 5.11, 70.3),
    (4.0, 1, 4, 12.93, 3.41, 52.2),
    (2.0, 1, 4, 7.96, 1.71, 34.1),
    (1.0, 1, 4, 4.97, 0.856, 12.3),
    (0.5, 1, 4, 3.73, 0.43, 7.7),
];

#[test]
fn the_papers_rules_give_the_papers_table() {
    for (ratio, p, groups, multiplications, additions, size) in PAPER {
        let paper = resnet18(ratio, p, groups, Rules::Paper).total;
        let near = |got: f64, due: f64, within: f64| {
            assert!(
                (got / due - 1.0).abs() <= within,
                "r/c_out {ratio}, p {p}, g {groups}: {got} instead of {due}"
            );
        };
        near(paper.multiplications as f64 / 1e6, multiplications, 0.005);
        near(paper.additions as f64 / 1e9, additions, 0.005);
        near(paper.bits as f64 / f64::from(1 << 20), size, if p == 2 { 0.04 } else { 0.005 });
        assert!((paper.dense_multiplications as f64 / 1.816e9 - 1.0).abs() < 0.005);
        let ours = resnet18(ratio, p, groups, Rules::Ours).total;
        assert!(ours.multiplications < paper.multiplications);
    }
}

/// StrassenNets, figure 3 (read off the poster): r/n_out; multiplications in thousands, additions
/// in 10^6.
const PENN_TREEBANK: [(f64, f64, f64); 7] = [
    (8.0, 164.0, 367.0),
    (6.0, 130.0, 275.0),
    (4.0, 96.8, 184.0),
    (2.0, 63.2, 92.7),
    (1.0, 46.4, 47.0),
    (0.5, 38.0, 24.1),
    (0.25, 33.8, 12.7),
];

#[test]
fn the_papers_rules_give_the_papers_language_models() {
    for (ratio, multiplications, additions) in PENN_TREEBANK {
        let mut network = find("ptb").unwrap();
        network.set_ratio(ratio);
        network.validate().unwrap();
        let paper = accounting(&network, Rules::Paper).unwrap().total;
        let near = |got: f64, due: f64, within: f64| {
            assert!((got / due - 1.0).abs() <= within, "r/n_out {ratio}: {got} instead of {due}");
        };
        near(paper.multiplications as f64 / 1e3, multiplications, 0.005);
        near(paper.additions as f64 / 1e6, additions, 0.01);
        near(paper.dense_multiplications as f64 / 1e6, 20.6, 0.005);
        assert!(
            accounting(&network, Rules::Ours).unwrap().total.multiplications
                < paper.multiplications
        );
    }
}

#[test]
fn gates_are_counted_as_by_hand() {
    let text = r#"name = "hand"
input = { shape = [3], bits = 2, frac = 0 }
layers = [
    { embedding = { rows = 4, units = 5 } },
    { char_cnn = { filters = [6, 0, 2] } },
    { highway = { r = 3 } },
    { lstm = { units = 7, r = 4 } },
    { dense = { units = 2, r = 5 } },
]
bits = { coefficients = 6 }
"#;
    let accounting = accounting(&Network::parse("hand", text).unwrap(), Rules::Ours).unwrap();
    let figures: Vec<_> = (accounting.layers.iter())
        .map(|l| {
            let c = l.cost;
            (
                &*l.name,
                c.multiplications,
                c.dense_multiplications,
                c.additions,
                c.ternary_weights,
                c.numbers,
                c.bits,
            )
        })
        .collect();
    // Filters of width 1 at three positions, of width 3 at one; only the largest sum of each of the
    // eight is multiplied.
    let (cnn, filters) = (6 * 5 + 2 * 15, 6 * 5 * 3 + 2 * 15);
    let highway = 2 * 3 * 8 + 2 * 8 * 3;
    let lstm = 4 * 4 * (8 + 7) + 8 * 4 * 7;
    let dense = 5 * 7 + 2 * 5;
    let expected = [
        ("embedding_0", 0, 0, 0, 0, 0, 0),
        ("char_cnn_0", 8, filters, filters, cnn, 8 + 8, 2 * cnn + 6 * 8 + 32 * 8),
        ("highway_0", 6 + 8, 2 * 64 + 8, highway + 32, highway, 6 + 16, 2 * highway + 36 + 32 * 16),
        ("lstm_0", 32 + 21, 4 * 7 * 15 + 21, lstm + 35, lstm, 32 + 28, 2 * lstm + 6 * 32 + 32 * 28),
        ("dense_0", 5, 14, dense + 2, dense, 5 + 2, 2 * dense + 30 + 64),
    ];
    assert_eq!(figures, expected);
}

#[test]
fn every_layer_is_counted_as_by_hand() {
    let text = r#"name = "hand"
input = { shape = [5, 5, 4], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 6, kernel = 3, pad = 1, r = 7, p = 2 } },
    "relu",
    { residual = { body = [{ conv2d = { channels = 6, kernel = 1, groups = 6, r = 12 } }] } },
    { average_pool = { size = 2 } },
    { dense = { units = 3, plain = true } },
]
bits = { coefficients = 6 }
"#;
    let accounting = accounting(&Network::parse("hand", text).unwrap(), Rules::Ours).unwrap();
    let figures: Vec<_> = (accounting.layers.iter())
        .map(|l| {
            let c = l.cost;
            (
                &*l.name,
                c.multiplications,
                c.dense_multiplications,
                c.additions,
                c.ternary_weights,
                c.numbers,
                c.bits,
            )
        })
        .collect();
    // 3×3 patches of 2×2 over 5×5; K = 4.
    let (w_b, w_c) = (7 * 4 * 16, 6 * 7 * 4);
    let (dw_b, dw_c) = (12, 6 * 2);
    let expected = [
        (
            "conv_0",
            63,
            25 * 6 * 4 * 9,
            (w_b + w_c) * 9 + 150,
            w_b + w_c,
            7 + 24,
            2 * (w_b + w_c) + 6 * 7 + 32 * 24,
        ),
        (
            "conv_1",
            300,
            150,
            (dw_b + dw_c) * 25 + 150,
            dw_b + dw_c,
            12 + 6,
            2 * (dw_b + dw_c) + 6 * 12 + 32 * 6,
        ),
        ("add_0", 0, 0, 150, 0, 0, 0),
        ("pool_0", 0, 0, 4 * 6 * 3, 0, 0, 0),
        ("dense_0", 3, 72, 72 + 3, 72, 6, 144 + 18 + 96),
    ];
    assert_eq!(figures, expected);
    assert_eq!(accounting.total.multiplications, 366);
}

/// 15 840 multiplications instead of 4 241 152.
#[test]
fn the_ready_convolutional_network_on_fashion_mnist() {
    let total = accounting(&find("fashion-cnn").unwrap(), Rules::Ours).unwrap().total;
    assert_eq!((total.multiplications, total.dense_multiplications), (15_840, 4_241_152));
}
