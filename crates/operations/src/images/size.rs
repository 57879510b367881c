//! Sizes and aspect ratios, and the nearest of those a model has.

use std::fmt;
use std::str::FromStr;

/// Width and height in pixels, or in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

/// The largest side anybody may ask for, in pixels.
const SIDE_MAX: u32 = 16_384;

impl Size {
    /// A size.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Width over height, as a logarithm: what is as much wider as another is higher is as far from square.
    fn slant(self) -> f64 {
        (f64::from(self.width) / f64::from(self.height)).ln()
    }

    /// The one of `choices` whose shape is nearest, and among those of one shape the nearest in area. `None` of none.
    #[must_use]
    pub fn nearest(self, choices: &[Self]) -> Option<Self> {
        let area = |size: Self| f64::from(size.width) * f64::from(size.height);
        let far = |choice: &Self| {
            let slant = (choice.slant() - self.slant()).abs();
            // A hundredth of a shape's difference counts as much as any difference in area.
            (slant * 100.0).round() * 10.0 + (area(*choice) / area(self)).ln().abs().min(9.0)
        };
        choices.iter().copied().min_by(|a, b| far(a).total_cmp(&far(b)))
    }

    /// Is the other of the same shape, to about two hundredths?
    #[must_use]
    pub fn is_shaped_like(self, other: Self) -> bool {
        (self.slant() - other.slant()).abs() < 0.02
    }

    /// This shape with sides that are multiples of `step` within `least` and `most`, and an area near `area`.
    #[must_use]
    pub fn fitted(self, step: u32, least: u32, most: u32, area: Option<u32>) -> Self {
        let scale =
            area.map_or(1.0, |area| (f64::from(area) / (f64::from(self.width) * f64::from(self.height))).sqrt());
        let side = |pixels: u32| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sides are small and positive")]
            let scaled = (f64::from(pixels) * scale / f64::from(step)).round() as u32 * step;
            scaled.clamp(least, most)
        };
        Self::new(side(self.width), side(self.height))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Not `1024x1024`, and not `16:9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSize;

impl FromStr for Size {
    type Err = BadSize;

    /// Reads `1024x1024`, and `16:9`.
    fn from_str(text: &str) -> Result<Self, BadSize> {
        let (width, height) = text.split_once(['x', 'X', ':', '*']).ok_or(BadSize)?;
        let side = |text: &str| text.trim().parse().ok().filter(|side| (1..=SIDE_MAX).contains(side)).ok_or(BadSize);
        Ok(Self::new(side(width)?, side(height)?))
    }
}

/// A size as an aspect ratio, in the words of these.
#[must_use]
pub fn nearest_ratio<'a>(size: Size, ratios: &[&'a str]) -> Option<(&'a str, bool)> {
    let parsed: Vec<(&str, Size)> = ratios.iter().filter_map(|text| Some((*text, text.parse().ok()?))).collect();
    let found = size.nearest(&parsed.iter().map(|(_, size)| *size).collect::<Vec<_>>())?;
    let (text, ratio) = parsed.into_iter().find(|(_, size)| *size == found)?;
    Some((text, ratio.is_shaped_like(size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest() {
        let ratios = ["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"];
        let table = [
            ("1024x1024", "1:1", true),
            ("1792x1024", "16:9", true),
            ("1024x1792", "9:16", true),
            ("1536x1024", "3:2", true),
            ("1024x1536", "2:3", true),
            ("256x256", "1:1", true),
            ("4:3", "5:4", false),
        ];
        for (size, ratio, same) in table {
            assert_eq!(nearest_ratio(size.parse().unwrap(), &ratios), Some((ratio, same)), "{size}");
        }
        let sizes: Vec<Size> = ["1024x1024", "1792x1024", "1024x1792"].map(|size| size.parse().unwrap()).to_vec();
        assert_eq!("512x512".parse::<Size>().unwrap().nearest(&sizes), Some(Size::new(1024, 1024)));
        assert_eq!("1536x1024".parse::<Size>().unwrap().nearest(&sizes), Some(Size::new(1792, 1024)));
        assert_eq!("16:9".parse::<Size>().unwrap().fitted(32, 256, 1440, Some(1 << 20)), Size::new(1376, 768));
        for bad in ["auto", "0x1", "1024", "x", "99999x1"] {
            assert_eq!(bad.parse::<Size>(), Err(BadSize), "{bad}");
        }
    }
}
