//! The grammar of the catalog files, as written. Unknown keys are errors; meaning is given in [`crate::load`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

pub(crate) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderFile {
    pub(crate) name: String,
    pub(crate) base_url: Option<Text>,
    #[serde(default)]
    pub(crate) base_url_env: Vec<String>,
    #[serde(default)]
    pub(crate) base_url_at: BTreeMap<String, Text>,
    #[serde(default)]
    pub(crate) region_env: Vec<String>,
    pub(crate) default_region: Option<String>,
    #[serde(default)]
    pub(crate) project_env: Vec<String>,
    #[serde(default)]
    pub(crate) credentials_env: Vec<String>,
    #[serde(default)]
    pub(crate) env: Vec<String>,
    #[serde(default)]
    pub(crate) key_optional: bool,
    pub(crate) auth: RawAuth,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) pass_headers: Vec<String>,
    pub(crate) betas: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) endpoints: Vec<RawEndpoint>,
    #[serde(default)]
    pub(crate) quirks: RawQuirks,
    #[serde(default)]
    pub(crate) errors: Vec<RawErrorRule>,
    #[serde(default)]
    pub(crate) can: Vec<Text>,
    #[serde(default)]
    pub(crate) auth_below: BTreeMap<String, RawAuth>,
    pub(crate) health_path: Option<Text>,
    #[serde(default)]
    pub(crate) pools: RawPools,
    pub(crate) unavailable: Option<String>,
    #[serde(default)]
    pub(crate) tells_cost: bool,
}

#[derive(Deserialize)]
pub(crate) enum RawAuth {
    #[serde(rename = "bearer")]
    Bearer,
    #[serde(rename = "token")]
    Token,
    #[serde(rename = "header")]
    Header(String),
    #[serde(rename = "none")]
    None,
    #[serde(rename = "aws-sigv4")]
    AwsSigV4,
    #[serde(rename = "google-oauth")]
    GoogleOAuth,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEndpoint {
    pub(crate) operation: Text,
    pub(crate) dialect: Option<Text>,
    pub(crate) shape: Option<Text>,
    pub(crate) path: Text,
    pub(crate) stream_path: Option<Text>,
    #[serde(default)]
    pub(crate) models: Vec<String>,
    #[serde(default)]
    pub(crate) omit: Vec<Text>,
    pub(crate) lift: Option<String>,
    #[serde(default)]
    pub(crate) add: Vec<RawDefault>,
    pub(crate) auth: Option<RawAuth>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawErrorRule {
    pub(crate) code: Option<String>,
    pub(crate) starts: Option<String>,
    pub(crate) contains: Option<String>,
    pub(crate) class: Text,
    pub(crate) scope: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawPools {
    pub(crate) smart: Vec<Text>,
    pub(crate) fast: Vec<Text>,
    pub(crate) image: Vec<Text>,
    pub(crate) embed: Vec<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawQuirks {
    pub(crate) remove: Vec<Text>,
    pub(crate) rename: Vec<RawRename>,
    pub(crate) default: Vec<RawDefault>,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) stream_usage: Option<RawStreamUsage>,
    pub(crate) ends_without_done: Option<bool>,
    pub(crate) max_tokens_field: Option<RawMaxTokensField>,
    pub(crate) tool_ids: Option<RawToolIds>,
    pub(crate) system_role: Option<RawSystemRole>,
    pub(crate) assistant_after_tool: Option<bool>,
    pub(crate) alternate_roles: Option<bool>,
    pub(crate) refuses_reasoning: Option<bool>,
    pub(crate) prefill: Option<RawPrefill>,
    pub(crate) documents: Option<RawDocuments>,
    pub(crate) tool_subset: Option<RawToolSubset>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRename {
    pub(crate) at: Text,
    pub(crate) to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDefault {
    pub(crate) at: Text,
    pub(crate) value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawToolSubset {
    Choice,
    List,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawStreamUsage {
    OnRequest,
    Always,
    Never,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawMaxTokensField {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawToolIds {
    Any,
    NineAlphanumeric,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawSystemRole {
    Either,
    System,
    User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawPrefill {
    Trailing,
    Prefix,
    ContinueFinalMessage,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawDocuments {
    File,
    DocumentUrl,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFile {
    /// The date and source of every entry that has none of its own.
    pub(crate) as_of: Text,
    pub(crate) source: String,
    pub(crate) models: Vec<RawModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawModel {
    pub(crate) name: Text,
    #[serde(default)]
    pub(crate) aliases: Vec<Text>,
    pub(crate) kind: Option<Text>,
    pub(crate) price: Option<Spanned<RawPrice>>,
    #[serde(default)]
    pub(crate) limits: RawLimits,
    #[serde(default)]
    pub(crate) can: Vec<Text>,
    #[serde(default)]
    pub(crate) reasons_by_default: bool,
    #[serde(default)]
    pub(crate) efforts: Vec<Text>,
    #[serde(default)]
    pub(crate) quirks: RawQuirks,
    pub(crate) retires: Option<Text>,
    pub(crate) as_of: Option<Text>,
    pub(crate) source: Option<String>,
}

/// Tokens.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLimits {
    pub(crate) context: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) thinking: Option<u64>,
}

/// Dollars, per million tokens where nothing else is said.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawPrice {
    pub(crate) input: Option<f64>,
    pub(crate) output: Option<f64>,
    pub(crate) cache_read: Option<f64>,
    pub(crate) cache_write: Option<f64>,
    pub(crate) cache_write_1h: Option<f64>,
    pub(crate) audio_input: Option<f64>,
    pub(crate) cache_read_audio: Option<f64>,
    pub(crate) audio_output: Option<f64>,
    pub(crate) image_input: Option<f64>,
    pub(crate) image_output: Option<f64>,
    pub(crate) long: Option<RawLong>,
    pub(crate) per_image: Option<f64>,
    pub(crate) images: Vec<RawImagePrice>,
    pub(crate) per_minute: Option<f64>,
    pub(crate) per_million_characters: Option<f64>,
    pub(crate) per_request: Option<f64>,
    pub(crate) per_search: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawImagePrice {
    pub(crate) size: Option<String>,
    pub(crate) quality: Option<Text>,
    pub(crate) each: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLong {
    pub(crate) above: u64,
    pub(crate) input: f64,
    pub(crate) output: f64,
    pub(crate) cache_read: Option<f64>,
    pub(crate) cache_write: Option<f64>,
    pub(crate) cache_write_1h: Option<f64>,
}
