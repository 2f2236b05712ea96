//! The LUTs of the primitives of `hw/`.

use super::Family;
use super::table::TABLE;

/// Of a module and each of xc7, ECP5, iCE40 and Gowin, how many it takes at all, for each bit that
/// counts or is an address, and for each bit of work ([`Size`](crate::stream::primitive::Size)).
pub(super) type Row = (&'static str, [[f64; 3]; 4]);

/// The estimated LUTs of a module; none of a module that is not in the table.
pub fn luts(module: &str, family: Family, control: usize, work: usize) -> u64 {
    let column = match family {
        Family::Xc7 | Family::Xcup => 0,
        Family::Ecp5 | Family::Agilex | Family::Max10 => 1,
        Family::Ice40 => 2,
        Family::Gowin => 3,
    };
    let row = TABLE.iter().find(|(name, _)| *name == module);
    let of = |[fixed, of_control, of_work]: [f64; 3]| {
        (fixed + of_control * control as f64 + of_work * work as f64).round() as u64
    };
    row.map_or(0, |(_, columns)| of(columns[column]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_computes_more_takes_more_luts() {
        for family in [Family::Xc7, Family::Ecp5, Family::Ice40, Family::Gowin] {
            for (module, _) in TABLE {
                let [little, much] =
                    [(2, 8), (8, 64)].map(|(control, work)| luts(module, family, control, work));
                assert!(little <= much, "{module}");
            }
        }
    }
}
