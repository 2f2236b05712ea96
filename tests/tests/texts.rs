//! The text forms of the levels are whole: what is printed is read back as it was.

use proptest::prelude::*;
use proptest::sample::Index;
use strassenc::ir::Dataflow;
use strassenc::lower::{lower, prune};
use strassenc_runtime::Model;
use strassenc_tests::{image_model, random_model, recipes, sequence_model};

fn models() -> impl Strategy<Value = Model> {
    prop_oneof![
        2 => recipes().prop_map(|recipe| random_model(&recipe)),
        1 => any::<u64>().prop_map(image_model),
        1 => any::<u64>().prop_map(sequence_model),
    ]
}

proptest! {
    #![proptest_config(strassenc_tests::property(800, 41))]

    #[test]
    fn a_dataflow_round_trips_before_and_after_pruning(model in models()) {
        let mut dataflow = lower(&model).unwrap();
        for _ in 0..2 {
            prop_assert_eq!(&dataflow.to_string().parse::<Dataflow>().unwrap(), &dataflow);
            prune(&mut dataflow, &|_| true);
        }
    }

    #[test]
    fn a_damaged_dataflow_is_refused_with_its_line_or_another_one(model in models(), place: Index, byte in 9u8..127) {
        let whole = lower(&model).unwrap();
        let mut text = whole.to_string().into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        match String::from_utf8(text).unwrap().parse::<Dataflow>() {
            // What is read has a text of its own.
            Ok(other) => prop_assert_eq!(&other.to_string().parse::<Dataflow>().unwrap(), &other),
            Err(error) => {
                let told = error.to_string();
                let has_place = told.starts_with("error[input]: dataflow, line ") || told.ends_with("ends too early");
                prop_assert!(has_place, "{}", told);
            }
        }
    }

    #[test]
    fn a_dataflow_that_lacks_a_line_is_refused_or_another_one(model in models(), place: Index) {
        let whole = lower(&model).unwrap().to_string();
        let mut lines: Vec<&str> = whole.lines().collect();
        lines.remove(place.index(lines.len()));
        let read = lines.join("\n").parse::<Dataflow>();
        prop_assert!(read.is_err() || read.unwrap().to_string() != whole);
    }
}

#[test]
fn a_damaged_dataflow_names_its_line() {
    let text = "dataflow tiny\nedge 0: 1x1x1 s4 0 of 1\n  0: -8..=seven\n";
    let told = text.parse::<Dataflow>().unwrap_err().to_string();
    assert_eq!(told, "error[input]: dataflow, line 3: `0: -8..=seven` is not understood");
}
