//! The example of the README, word for word in what it calls: a call is placed and a file played in six statements.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use msp_core::media::Direction;
use tipring::Phone;
use tipring::terminals::{FileRecord, RecordOptions};

/// A WAV file of `samples` at 8 kHz.
fn write_wav(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        wav.write_sample(*sample).unwrap();
    }
    wav.finalize().unwrap();
}

// Shows: a call is placed and a file played in six statements
#[tokio::test]
async fn the_readme_places_a_call_and_plays_a_file() -> tipring::Result<()> {
    let folder = std::env::temp_dir().join(format!("tipring-readme-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let greeting = folder.join("greeting.wav");
    // Values that µ-law gives back as they are, so that what is heard can be found to the sample.
    let sound: Vec<i16> = (0..8000)
        .map(|n| msp_codecs::g711::ulaw_decode((n * 7 % 251) as u8))
        .collect();
    write_wav(&greeting, &sound);

    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let other = Phone::builder().bind(local).start().await?;
    let uri = format!("sip:echo@{}", other.local_addr());
    let heard = folder.join("heard.wav");
    let record = FileRecord::create(&heard, RecordOptions::default()).unwrap();
    let answering = record.clone();
    let answers = tokio::spawn(async move {
        let call = other.next_call().await.unwrap();
        call.select(Direction::Render, answering).unwrap();
        call.answer().await.unwrap();
        call.ended().await.unwrap();
        other.close().await;
    });

    let phone = Phone::start().await?;
    let call = phone.dial(&uri).await?;
    call.connected().await?;
    call.play(&greeting).await?;
    call.hang_up().await?;

    answers.await.unwrap();
    phone.close().await;
    record.finish().unwrap();
    let mut wav = hound::WavReader::open(&heard).unwrap();
    let right: Vec<i16> = wav
        .samples::<i16>()
        .skip(1)
        .step_by(2)
        .map(|s| s.unwrap())
        .collect();
    let start = right
        .windows(400)
        .position(|w| w == &sound[..400])
        .expect("the greeting was heard");
    let end = (start + 7600).min(right.len());
    assert_eq!(right[start..end], sound[..end - start]);
    assert!(
        end - start > 6400,
        "only {} samples of the greeting were heard",
        end - start
    );
    std::fs::remove_dir_all(&folder).unwrap();
    Ok(())
}
