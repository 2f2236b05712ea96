//! A tensor of ONNX as a view of an image of ours.

use crate::shape::Shape;

/// For each axis of a tensor, but that of the samples, what each index adds to the place of the
/// element in an image of ours: row by row, pixel by pixel, channels innermost.
#[derive(Clone, Debug, PartialEq)]
pub struct View(pub Vec<Vec<u32>>);

impl View {
    /// The tensor `[channels, height, width]` over an image, or `[channels, width]` over one of one
    /// row.
    pub fn image(shape: Shape, spatial: usize) -> View {
        let (width, channels) = (shape.width as u32, shape.channels as u32);
        let row = (0..width).map(|x| x * channels).collect();
        let column = (0..shape.height as u32).map(|y| y * width * channels).collect();
        let spatial = if spatial == 1 { vec![row] } else { vec![column, row] };
        View([vec![(0..channels).collect()], spatial].concat())
    }

    /// A tensor that lies in its own order.
    pub fn plain(axes: &[usize]) -> View {
        let mut stride = 1u32;
        let mut tables: Vec<Vec<u32>> = vec![];
        for &size in axes.iter().rev() {
            tables.push((0..size as u32).map(|i| i * stride).collect());
            stride *= size as u32;
        }
        tables.reverse();
        View(tables)
    }

    /// Sizes of the axes.
    pub fn axes(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }

    /// Elements of the tensor.
    pub fn elements(&self) -> usize {
        self.0.iter().map(Vec::len).product()
    }

    /// The place of each element, in the tensor's order.
    pub fn places(&self) -> Vec<u32> {
        self.0.iter().fold(vec![0u32], |outer, table| {
            outer.iter().flat_map(|o| table.iter().map(move |i| o.wrapping_add(*i))).collect()
        })
    }

    /// The same elements with other axes; none where these cut one of ours.
    pub fn reshaped(&self, axes: &[usize]) -> Option<View> {
        let places = self.places();
        let first = *places.first()?;
        let strides = View::plain(axes);
        let mut view = View(vec![]);
        for (d, indices) in strides.0.iter().enumerate() {
            let base = if d == 0 { 0 } else { first };
            view.0.push(
                indices
                    .iter()
                    .map(|i| places.get(*i as usize).map(|p| p.wrapping_sub(base)))
                    .collect::<Option<_>>()?,
            );
        }
        (!axes.is_empty() && view.places() == places).then_some(view)
    }

    /// The axis that goes along the channels of an image, and only those.
    pub fn channels(&self, shape: Shape) -> Option<usize> {
        let along = |table: &Vec<u32>| {
            table.len() == shape.channels && table.iter().all(|i| (*i as usize) < shape.channels)
        };
        self.0.iter().position(along)
    }

    /// The channel of ours that each of the tensor's is, where it is `[channels, height, width]`
    /// over the image, or `[channels, width]`.
    pub fn as_image(&self, shape: Shape, spatial: usize) -> Option<&[u32]> {
        let due = View::image(shape, spatial);
        let fits = self.0.len() == due.0.len() && self.0[1..] == due.0[1..];
        (fits && self.channels(shape) == Some(0) && (spatial == 2 || shape.height == 1))
            .then(|| &*self.0[0])
    }

    /// The view of an image of the same pixels with other channels, `channels` along `axis`.
    pub fn with_channels(&self, axis: usize, from: usize, to: usize, channels: Vec<u32>) -> View {
        let pixel = |i: &u32| i / from as u32 * to as u32;
        let mut tables: Vec<Vec<u32>> =
            self.0.iter().map(|table| table.iter().map(pixel).collect()).collect();
        tables[axis] = channels;
        View(tables)
    }
}
