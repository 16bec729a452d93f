//! Tools of the conformance suite which answer at once with prescribed content.
//!
//! Owns their texts.

use super::{NO_ARGUMENTS, Tool, content, text, text_item, tool_error};
use crate::resources::{AUDIO, IMAGE};

const SCHEMA_2020_12: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","#,
    r##""$defs":{"address":{"$anchor":"addressDef","type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},"##,
    r##""properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},"contactMethod":{"type":"string","enum":["phone","email"]},"phone":{"type":"string"},"email":{"type":"string"}},"##,
    r#""allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],"#,
    r#""if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},"#,
    r#""then":{"required":["phone"]},"else":{"required":["email"]},"additionalProperties":false}"#
);

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "test_simple_text",
        description: "Answers with a text",
        input_schema: NO_ARGUMENTS,
        run: |_| Ok(text("This is a simple text response for testing.")),
    },
    Tool {
        name: "test_image_content",
        description: "Answers with an image",
        input_schema: NO_ARGUMENTS,
        run: |_| Ok(content(&image())),
    },
    Tool {
        name: "test_audio_content",
        description: "Answers with a sound",
        input_schema: NO_ARGUMENTS,
        run: |_| {
            Ok(content(&format!(r#"{{"type":"audio","data":"{AUDIO}","mimeType":"audio/wav"}}"#)))
        },
    },
    Tool {
        name: "test_embedded_resource",
        description: "Answers with an embedded resource",
        input_schema: NO_ARGUMENTS,
        run: |_| {
            Ok(content(
                r#"{"type":"resource","resource":{"uri":"test://embedded-resource","mimeType":"text/plain","text":"This is an embedded resource content."}}"#,
            ))
        },
    },
    Tool {
        name: "test_multiple_content_types",
        description: "Answers with a text, an image and a resource",
        input_schema: NO_ARGUMENTS,
        run: |_| {
            let (text, image) = (text_item("Multiple content types test:"), image());
            let resource = r#"{"type":"resource","resource":{"uri":"test://mixed-content-resource","mimeType":"application/json","text":"{\"test\":\"data\",\"value\":123}"}}"#;
            Ok(content(&format!("{text},{image},{resource}")))
        },
    },
    Tool {
        name: "test_error_handling",
        description: "Always fails, in the result",
        input_schema: NO_ARGUMENTS,
        run: |_| Ok(tool_error("This tool intentionally returns an error for testing")),
    },
    Tool {
        name: "json_schema_2020_12_tool",
        description: "Has an input schema that uses much of JSON Schema 2020-12",
        input_schema: SCHEMA_2020_12,
        run: |turn| {
            Ok(text(&format!("JSON Schema 2020-12 tool called with: {}", turn.raw_arguments)))
        },
    },
    Tool {
        name: "test_reconnection",
        description: "Takes 100 ms, in which an HTTP server may close the response stream",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            turn.nap(100)?;
            Ok(text("Reconnection test completed successfully."))
        },
    },
];

fn image() -> String {
    format!(r#"{{"type":"image","data":"{IMAGE}","mimeType":"image/png"}}"#)
}
