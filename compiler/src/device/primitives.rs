//! The LUTs of the primitives of `hw/`.

/// Those of a module of 6 inputs, and of 4: how many it takes at all, for each bit that counts or
/// is an address, and for each bit of work ([`Size`](crate::stream::primitive::Size)).
type Row = (&'static str, [[f64; 3]; 2]);

/// What `benches/estimates.py --fit` found; the bank of shifts and additions beside the ROMs of
/// four of its cores, since few digits of its coefficients take every value. Those marked are in no
/// core of the fit: they are as those that they are like.
const TABLE: [Row; 26] = [
    ("strassenc_accumulate", [[1.2, 2.4, 0.88], [1.2, 2.4, 1.5]]),
    ("strassenc_add", [[0.05, 0.0, 1.02], [0.05, 0.0, 1.02]]),
    ("strassenc_array", [[7.58, 0.71, 0.95], [7.58, 0.71, 0.95]]),
    ("strassenc_collector", [[6.0, 0.0, 0.0], [6.0, 0.0, 0.0]]),
    ("strassenc_concat", [[4.0, 2.0, 1.02], [4.0, 2.0, 1.02]]), // as add
    ("strassenc_fifo", [[3.32, 1.75, 1.99], [3.32, 1.75, 1.99]]),
    ("strassenc_fork", [[5.0, 0.0, 0.0], [5.0, 0.0, 0.0]]),
    ("strassenc_frame_end", [[0.07, 2.21, 0.0], [0.07, 2.21, 0.0]]),
    ("strassenc_framer", [[4.83, 2.58, 0.0], [4.83, 2.58, 0.0]]),
    ("strassenc_highway", [[4.0, 1.52, 0.96], [4.0, 1.52, 0.96]]), // as lstm_cell
    ("strassenc_lookup", [[9.39, 0.26, 0.0], [9.39, 0.26, 0.0]]),
    ("strassenc_lstm_cell", [[0.0, 1.52, 0.96], [0.0, 1.52, 0.96]]),
    ("strassenc_multiplier_bank", [[2.98, 0.53, 0.0], [2.98, 0.53, 0.0]]),
    ("strassenc_patches", [[0.0, 2.05, 0.0], [0.0, 2.05, 0.0]]), // as reader
    ("strassenc_positions", [[0.0, 2.05, 0.0], [0.0, 2.05, 0.0]]), // as reader
    ("strassenc_reader", [[0.0, 2.05, 0.0], [0.0, 2.05, 0.0]]),
    ("strassenc_recall", [[5.0, 2.0, 1.0], [5.0, 2.0, 1.0]]),
    ("strassenc_repack", [[4.0, 2.0, 1.5], [4.0, 2.0, 1.5]]), // as serialiser
    ("strassenc_requantise", [[4.22, 1.16, 0.84], [4.22, 1.16, 0.84]]),
    ("strassenc_segment", [[3.24, 1.54, 0.0], [3.24, 1.54, 0.0]]),
    ("strassenc_serialiser", [[0.0, 1.44, 1.17], [0.0, 1.44, 1.17]]),
    ("strassenc_shift_add_bank", [[60.0, 0.0, 0.43], [60.0, 0.0, 0.43]]),
    ("strassenc_stream_register", [[4.0, 0.0, 1.0], [4.0, 0.0, 1.0]]),
    ("strassenc_tanh", [[4.0, 1.52, 0.96], [4.0, 1.52, 0.96]]), // as lstm_cell
    ("strassenc_widen", [[7.0, 0.5, 0.0], [7.0, 0.5, 0.0]]),
    ("strassenc_window", [[35.3, 1.73, 0.46], [35.3, 1.73, 0.46]]),
];

/// The estimated LUTs of a module, of 6 inputs and of 4; none of a module that is not in the table.
pub fn luts(module: &str, control: usize, work: usize) -> [u64; 2] {
    let row = TABLE.iter().find(|(name, _)| *name == module);
    let of = |[fixed, of_control, of_work]: [f64; 3]| {
        (fixed + of_control * control as f64 + of_work * work as f64).round() as u64
    };
    row.map_or([0; 2], |(_, row)| row.map(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_computes_more_takes_more_luts() {
        for (module, _) in TABLE {
            let [little, much] = [luts(module, 2, 8), luts(module, 8, 64)];
            assert!(little <= much, "{module}");
        }
        assert_eq!(luts("strassenc_stream_register", 0, 73), [77, 77]);
    }
}
