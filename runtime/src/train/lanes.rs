//! Loops over registers of several numbers, as wide as the processor has them.

use pulp::{Simd, WithSimd};

/// What a processor's registers of numbers T can do.
#[allow(unsafe_code)]
pub trait Lanes<T>: Copy {
    /// As many numbers as a register has.
    type Register: Copy;
    /// Numbers of a register.
    const COUNT: usize;
    /// Whether there are 32 registers, and not 16.
    const MANY: bool;

    /// A register full of v.
    fn splat(self, v: T) -> Self::Register;

    /// The numbers at `from`.
    ///
    /// # Safety
    /// COUNT numbers can be read there.
    unsafe fn load(self, from: *const T) -> Self::Register;

    /// Places numbers at `to`.
    ///
    /// # Safety
    /// COUNT numbers can be written there, and nothing else borrows them.
    unsafe fn store(self, to: *mut T, numbers: Self::Register);

    /// a · b + c, rounded once where the processor has an instruction for it.
    fn multiply_add(
        self,
        a: Self::Register,
        b: Self::Register,
        c: Self::Register,
    ) -> Self::Register;
}

/// Numbers that the widest register has; a multiple of those of all others.
pub const MOST_LANES: usize = 16;

/// Work on registers of numbers T; what `run` calls must be inlined.
pub trait OnLanes<T> {
    /// Does it.
    fn run<L: Lanes<T>>(self, lanes: L);
}

macro_rules! lanes {
    ($number:ty, $registers:ident, $count:ident, $splat:ident, $multiply_add:ident, $work:ident) => {
        #[allow(unsafe_code)]
        impl<S: Simd> Lanes<$number> for S {
            type Register = S::$registers;
            const COUNT: usize = S::$count;
            const MANY: bool = size_of::<S::$registers>() == 64;

            #[inline(always)]
            fn splat(self, v: $number) -> S::$registers {
                self.$splat(v)
            }

            #[inline(always)]
            unsafe fn load(self, from: *const $number) -> S::$registers {
                // SAFETY: a register is COUNT numbers, of any bits, and nothing else.
                unsafe { from.cast::<S::$registers>().read_unaligned() }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $number, numbers: S::$registers) {
                // SAFETY: a register is COUNT numbers and nothing else.
                unsafe { to.cast::<S::$registers>().write_unaligned(numbers) }
            }

            #[inline(always)]
            fn multiply_add(
                self,
                a: S::$registers,
                b: S::$registers,
                c: S::$registers,
            ) -> S::$registers {
                self.$multiply_add(a, b, c)
            }
        }

        /// Work in the form that `pulp` takes.
        pub struct $work<W>(pub W);

        impl<W: OnLanes<$number>> WithSimd for $work<W> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                self.0.run(simd)
            }
        }
    };
}

lanes!(f32, f32s, F32_LANES, splat_f32s, mul_add_e_f32s, Single);
lanes!(f64, f64s, F64_LANES, splat_f64s, mul_add_e_f64s, Double);
