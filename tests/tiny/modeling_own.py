"""A language model whose code lies in its folder, with InternLM3's names, its own attention.

No cache, no `AttentionInterface`, attention by hand: what a stranger's code may look like.
"""

import torch
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class OwnConfig(PretrainedConfig):
    model_type = "internlm3"

    def __init__(
        self, vocab_size=512, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=24, qkv_bias=True, bias=False,
        **more,
    ):  # fmt: skip
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.intermediate_size, self.num_hidden_layers = intermediate_size, num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_dim, self.qkv_bias, self.bias = head_dim, qkv_bias, bias
        super().__init__(**more)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.width = config.num_attention_heads, config.head_dim
        self.group = self.heads // config.num_key_value_heads
        keys = config.num_key_value_heads * self.width
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.width, config.qkv_bias)
        self.k_proj = nn.Linear(config.hidden_size, keys, config.qkv_bias)
        self.v_proj = nn.Linear(config.hidden_size, keys, config.qkv_bias)
        self.o_proj = nn.Linear(self.heads * self.width, config.hidden_size, config.bias)

    def forward(self, hidden, places, seen):
        batch, length, _ = hidden.shape
        q, k, v = (
            layer(hidden).view(batch, length, -1, self.width).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        k, v = (part.repeat_interleave(self.group, dim=1) for part in (k, v))
        # Distances instead of a rotary embedding.
        far = (places[:, :, None] - places[:, None, :]).abs()[:, None]
        scores = (q @ k.transpose(2, 3)) / self.width**0.5 - 0.1 * far
        found = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(-1) @ v
        return self.o_proj(found.transpose(1, 2).reshape(batch, length, -1))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, config.bias)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, config.bias)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, config.bias)

    def forward(self, hidden):
        return self.down_proj(nn.functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn, self.mlp = Attention(config), Mlp(config)
        self.input_layernorm = nn.RMSNorm(config.hidden_size)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size)

    def forward(self, hidden, places, seen):
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), places, seen)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class OwnModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size)


class OwnForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = OwnConfig
    base_model_prefix = "model"

    def __init__(self, config):
        super().__init__(config)
        self.model = OwnModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.3)

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def set_input_embeddings(self, value):
        self.model.embed_tokens = value

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, value):
        self.lm_head = value

    def forward(self, input_ids, attention_mask=None, position_ids=None, use_cache=None, **_):
        length = input_ids.shape[1]
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        if position_ids is None:
            position_ids = torch.arange(length, device=input_ids.device)[None]
        causal = torch.ones(length, length, dtype=torch.bool, device=input_ids.device).tril()
        seen = causal[None, None] & attention_mask.bool()[:, None, None]
        hidden = self.model.embed_tokens(input_ids)
        for layer in self.model.layers:
            hidden = layer(hidden, position_ids, seen)
        return CausalLMOutput(logits=self.lm_head(self.model.norm(hidden)))
