//! Formats of sound.

use bytes::Bytes;
use ringmain_core::Usage;

/// How sound is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// MPEG-1 layer 3.
    Mp3,
    /// Opus, in Ogg.
    Opus,
    /// AAC.
    Aac,
    /// FLAC.
    Flac,
    /// Samples with a head that says what they are.
    Wav,
    /// Bare samples: 24 kHz, 16 bit, little-endian, one channel.
    Pcm,
}

/// Samples a second of what OpenAI calls `pcm`.
pub const RATE: u32 = 24_000;

/// Sound that came all at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// The sound.
    pub bytes: Bytes,
    /// What the provider says it used.
    pub usage: Option<Usage>,
}

impl Format {
    const ALL: [Self; 6] = [Self::Mp3, Self::Opus, Self::Aac, Self::Flac, Self::Wav, Self::Pcm];

    /// The format of this name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Its name in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Aac => "aac",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Pcm => "pcm",
        }
    }

    /// Its media type, as OpenAI says it.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Opus => "audio/opus",
            Self::Aac => "audio/aac",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
            Self::Pcm => "audio/pcm",
        }
    }
}

/// The head of a WAV file of one channel of 16-bit samples. `length`: of the samples, in bytes; where it is not known yet
/// the head says as much as there can be, as streamed WAV does.
#[must_use]
pub fn wav_head(rate: u32, length: Option<u32>) -> Bytes {
    let data = length.unwrap_or(u32::MAX - 36);
    let mut head = Vec::with_capacity(44);
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&data.saturating_add(36).to_le_bytes());
    head.extend_from_slice(b"WAVEfmt ");
    head.extend_from_slice(&16_u32.to_le_bytes());
    // Plain samples, one channel.
    head.extend_from_slice(&1_u16.to_le_bytes());
    head.extend_from_slice(&1_u16.to_le_bytes());
    head.extend_from_slice(&rate.to_le_bytes());
    head.extend_from_slice(&rate.saturating_mul(2).to_le_bytes());
    head.extend_from_slice(&2_u16.to_le_bytes());
    head.extend_from_slice(&16_u16.to_le_bytes());
    head.extend_from_slice(b"data");
    head.extend_from_slice(&data.to_le_bytes());
    head.into()
}
