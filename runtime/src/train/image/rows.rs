//! Recurrent layers along the pixels of images of one row, in floats: each sample is a sequence
//! that begins with zeros.

use crate::network::Quantiser;
use crate::train::matmul::{Into, Real};
use crate::train::recurrent::{Memory, PIECE, Recurrent};
use crate::train::ternary::Ternariser;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};

/// A recurrent layer along so many pixels.
///
/// A batch is cut into pieces of samples, each of which goes along on one thread, so that no pixel
/// waits for another thread. Gradients are added up in the order of the pieces.
pub struct Rows<T> {
    /// The layer.
    pub layer: Recurrent<T>,
    pixels: usize,
    pieces: Vec<Piece<T>>,
}

/// What a piece of a batch is worked on with; row t · samples + s is pixel t of sample s.
struct Piece<T> {
    x: Array2<T>,
    z: Array2<T>,
    dz: Array2<T>,
    dx: Array2<T>,
    memory: Memory<T>,
    gradients: Vec<Array2<T>>,
}

/// Samples, `[n, pixels · c]`, as rows of pixels, `[pixels · n, c]`.
fn by_pixel<T: Real>(samples: ArrayView2<T>, pixels: usize, rows: &mut Array2<T>) {
    let (n, c) = (samples.nrows(), rows.ncols());
    for t in 0..pixels {
        rows.slice_mut(s![t * n..(t + 1) * n, ..])
            .assign(&samples.slice(s![.., t * c..(t + 1) * c]));
    }
}

/// The way back from [`by_pixel`], added to the samples or in their place.
fn by_sample<T: Real>(rows: &Array2<T>, pixels: usize, mut samples: ArrayViewMut2<T>, into: Into) {
    let (n, c) = (samples.nrows(), rows.ncols());
    for t in 0..pixels {
        let pixel = rows.slice(s![t * n..(t + 1) * n, ..]);
        let mut to = samples.slice_mut(s![.., t * c..(t + 1) * c]);
        match into {
            Into::Place => to.assign(&pixel),
            Into::Sum => to += &pixel,
        }
    }
}

impl<T: Real> Piece<T> {
    /// Room for so many samples.
    fn new(samples: usize, pixels: usize, layer: &Recurrent<T>) -> Self {
        let rows = samples * pixels;
        let zeros = |columns: usize| Array2::zeros((rows, columns));
        let (n_in, n) = (layer.x.w_b.weights.value.ncols(), layer.units());
        Piece {
            x: zeros(n_in),
            z: zeros(n),
            dz: zeros(n),
            dx: zeros(n_in),
            memory: Memory::new(rows, samples, layer),
            gradients: layer.gradients(),
        }
    }

    fn forward(&mut self, layer: &Recurrent<T>, pixels: usize, x: ArrayView2<T>) {
        by_pixel(x, pixels, &mut self.x);
        let samples = x.nrows();
        let Piece { x, z, memory, .. } = self;
        layer.forward(x.view(), samples, &mut layer.start(samples), memory, z);
    }
}

impl<T: Real> Rows<T> {
    /// The layer along so many pixels.
    pub fn new(layer: Recurrent<T>, pixels: usize) -> Self {
        Rows { layer, pixels, pieces: vec![] }
    }

    /// The result `z` for x, both `[n, elements]`.
    pub fn forward(&mut self, x: ArrayView2<T>, z: &mut Array2<T>) {
        self.renew();
        let Rows { layer, pixels, pieces } = self;
        let (layer, pixels, n) = (&*layer, *pixels, x.nrows());
        let rows = |i: usize| PIECE.min(n - i * PIECE) * pixels;
        let count = n.div_ceil(PIECE);
        if pieces.len() != count || (0..count).any(|i| pieces[i].x.nrows() != rows(i)) {
            *pieces = (0..count).map(|i| Piece::new(rows(i) / pixels, pixels, layer)).collect();
        }
        (pieces.par_iter_mut(), x.axis_chunks_iter(Axis(0), PIECE))
            .into_par_iter()
            .zip(z.axis_chunks_iter_mut(Axis(0), PIECE))
            .for_each(|((piece, x), z)| {
                piece.forward(layer, pixels, x);
                by_sample(&piece.z, pixels, z, Into::Place);
            });
    }

    /// The same without a trace.
    pub fn evaluate(&self, x: ArrayView2<T>) -> Array2<T> {
        let mut z = Array2::zeros((x.nrows(), self.pixels * self.layer.units()));
        (z.axis_chunks_iter_mut(Axis(0), PIECE).into_par_iter())
            .zip(x.axis_chunks_iter(Axis(0), PIECE))
            .for_each(|(z, x)| {
                let mut piece = Piece::new(x.nrows(), self.pixels, &self.layer);
                piece.forward(&self.layer, self.pixels, x);
                by_sample(&piece.z, self.pixels, z, Into::Place);
            });
        z
    }

    /// Leads dL/dz of the last [`forward`](Self::forward) back to the gradients and, where asked
    /// for, to dL/dx.
    pub fn backward(&mut self, dz: &Array2<T>, dx: Option<(&mut Array2<T>, Into)>) {
        let Rows { layer, pixels, pieces } = self;
        let (leads_on, of, pixels) = (dx.is_some(), &*layer, *pixels);
        (pieces.par_iter_mut(), dz.axis_chunks_iter(Axis(0), PIECE)).into_par_iter().for_each(
            |(piece, samples)| {
                by_pixel(samples, pixels, &mut piece.dz);
                let Piece { x, dz, dx, memory, gradients, .. } = piece;
                let dx = leads_on.then(|| dx.view_mut());
                of.backward(x.view(), samples.nrows(), dz, memory, gradients, dx);
            },
        );
        if let Some((dx, into)) = dx {
            (pieces.par_iter(), dx.axis_chunks_iter_mut(Axis(0), PIECE))
                .into_par_iter()
                .for_each(|(piece, dx)| by_sample(&piece.dx, pixels, dx, into));
        }
        for (i, (_, parameter, _)) in layer.parameters().into_iter().enumerate() {
            let mut parts = pieces.iter().map(|piece| &piece.gradients[i]);
            match parts.next() {
                Some(first) => parameter.gradient.assign(first),
                None => parameter.gradient.fill(T::zero()),
            }
            parts.for_each(|more| parameter.gradient += more);
        }
    }

    /// Begins phase 2: from here on the matrices are ternary.
    pub fn begin_ternary(&mut self, ternariser: Ternariser) {
        if ternariser.quantiser == Quantiser::Fixed {
            let Recurrent { x, h, .. } = &mut self.layer;
            [x, h].into_iter().for_each(|linear| linear.scale_to_fixed(ternariser.factor));
        }
        self.layer.matrices_mut().for_each(|matrix| matrix.make_ternary(ternariser));
    }

    /// Brings the ternary matrices up to date.
    pub fn renew(&mut self) {
        self.layer.matrices_mut().for_each(|matrix| matrix.renew());
    }
}
