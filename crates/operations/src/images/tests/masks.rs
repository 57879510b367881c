//! Masks: OpenAI's, as each API wants them painted.

use png::ColorType;

use super::*;
use crate::images::mask::tests::{png_of, reds};
use crate::images::picture::{decode, encode};

/// Three pixels, of which the second is to change.
fn masked(more: &Value) -> Request {
    let mask = encode(&png_of(ColorType::Rgba, &[0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 255]));
    let mut body = json!({"prompt": "a cat", "image": DOT, "mask": mask});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request(&body)
}

const WHITE: [u8; 3] = [0, 255, 0];
const BLACK: [u8; 3] = [255, 0, 255];

/// What is painted, in base64.
fn painted(value: &Value) -> Vec<u8> {
    reds(&decode(value.as_str().unwrap()).unwrap())
}

#[test]
fn each_api_gets_its_own() {
    let asked = masked(&json!({"size": "1024x1024", "strength": 0.5}));
    let planned = plan(Shape::Stability, "stable-image-inpaint", "/v2beta/stable-image/generate", &asked);
    assert_eq!(path(&planned.calls[0]), "/v2beta/stable-image/edit/inpaint");
    let form = form(&planned.calls[0]);
    let names: Vec<&str> = form.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["prompt", "output_format", "image", "mask"]);
    assert_eq!(reds(&form.parts[3].data), WHITE);
    assert_eq!(planned.losses, ["size", "strength"]);

    let planned = plan(Shape::Bedrock, "amazon.nova-canvas-v1:0", "/invoke", &asked);
    let mut body = sent(&planned.calls[0]);
    let mask = body["inPaintingParams"]["maskImage"].take();
    assert_eq!(painted(&mask), BLACK);
    let expected = json!({
        "taskType": "INPAINTING", "inPaintingParams": {"text": "a cat", "image": DOT, "maskImage": null},
        "imageGenerationConfig": {"numberOfImages": 1},
    });
    assert_eq!((body, planned.losses), (expected, vec!["size".to_owned(), "strength".to_owned()]));

    let planned = plan(Shape::Bedrock, "us.stability.stable-image-inpaint-v1:0", "/invoke", &asked);
    let mut body = sent(&planned.calls[0]);
    assert_eq!(painted(&body["mask"].take()), WHITE);
    assert_eq!(body, json!({"prompt": "a cat", "image": DOT, "mask": null, "output_format": "png"}));

    let planned = plan(Shape::Gemini, "imagen-3.0-capability-001", "/m:generateContent", &asked);
    let body = sent(&planned.calls[0]);
    let references = &body["instances"][0]["referenceImages"];
    assert_eq!(path(&planned.calls[0]), "/m:predict");
    assert_eq!(painted(&references[1]["referenceImage"]["bytesBase64Encoded"]), WHITE);
    assert_eq!(references[1]["maskImageConfig"], json!({"maskMode": "MASK_MODE_USER_PROVIDED"}));
    assert_eq!(references[0]["referenceImage"]["bytesBase64Encoded"], DOT);
    assert_eq!(body["parameters"], json!({"editMode": "EDIT_MODE_INPAINT_INSERTION", "sampleCount": 1}));

    let planned = plan(Shape::SdWebui, "default", "/sdapi/v1/txt2img", &asked);
    let body = sent(&planned.calls[0]);
    assert_eq!((path(&planned.calls[0]), painted(&body["mask"])), ("/sdapi/v1/img2img", WHITE.to_vec()));
    assert_eq!((&body["inpainting_mask_invert"], &body["denoising_strength"]), (&json!(0), &json!(0.5)));

    let planned = plan(Shape::BlackForestLabs, "flux-pro-1.0-fill", "/v1/flux-pro-1.0-fill", &asked);
    let mut body = sent(&planned.calls[0]);
    assert_eq!(painted(&body["mask"].take()), WHITE);
    assert_eq!(body, json!({"prompt": "a cat", "image": DOT, "mask": null, "output_format": "png"}));
}

#[test]
fn who_has_none_is_not_asked() {
    let none = [
        (Shape::Stability, "sd3.5-large"),
        (Shape::Bedrock, "stability.sd3-5-large-v1:0"),
        (Shape::Gemini, "gemini-2.5-flash-image"),
        (Shape::Gemini, "imagen-4.0-generate-001"),
        (Shape::BlackForestLabs, "flux-kontext-pro"),
        (Shape::Replicate, "black-forest-labs/flux-kontext-pro"),
    ];
    let refused = |shape, model, asked: &Request| {
        let refused = codec(shape).unwrap().plan(asked, &Site::new(model, "/x"));
        refused.err().map(|unsupported| unsupported.field)
    };
    for (shape, model) in none {
        assert_eq!(refused(shape, model, &masked(&json!({}))).as_deref(), Some("mask"), "{shape} {model}");
    }
    // And who begins with one is not asked without.
    let plain = request(&json!({"prompt": "a cat", "image": DOT}));
    for (shape, model) in [
        (Shape::Stability, "stable-image-inpaint"),
        (Shape::Bedrock, "stability.stable-image-inpaint-v1:0"),
        (Shape::BlackForestLabs, "flux-pro-1.0-fill"),
    ] {
        assert_eq!(refused(shape, model, &plain).as_deref(), Some("mask"), "{shape} {model}");
        let alone = Request { inputs: Vec::new(), ..masked(&json!({})) };
        assert_eq!(refused(shape, model, &alone).as_deref(), Some("image"), "{shape} {model}");
    }
    let two = masked(&json!({"image": [DOT, DOT]}));
    assert_eq!(refused(Shape::Bedrock, "amazon.titan-image-generator-v2:0", &two).as_deref(), Some("image"));
}
