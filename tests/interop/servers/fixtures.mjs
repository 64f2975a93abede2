// What both everything-servers offer, under the names the conformance suite fixes.
//
// A tool is { name, description, inputSchema, call(args, io) }, where
// `io` = { progress(value, total), signal } is all that differs between the SDKs.

export const INFO = { name: 'tollgate-everything', version: '1.0.0' };

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

/** The labels of the `slow` calls that this process saw cancelled. */
const cancelled = [];

export const text = (value) => ({ content: [{ type: 'text', text: value }] });

export const object = (properties = {}, required = []) => ({ type: 'object', properties, required });

/** Resolves after `ms`, or rejects as soon as the call is cancelled. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

export const TOOLS = [
  {
    name: 'test_simple_text',
    description: 'Answers with one text block',
    call: () => text('This is a simple text response for testing.'),
  },
  {
    name: 'test_image_content',
    description: 'Answers with an image',
    call: () => ({ content: [{ type: 'image', data: PNG, mimeType: 'image/png' }] }),
  },
  {
    name: 'test_audio_content',
    description: 'Answers with audio',
    call: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  },
  {
    name: 'test_embedded_resource',
    description: 'Answers with an embedded resource',
    call: () => ({
      content: [
        {
          type: 'resource',
          resource: {
            uri: 'test://embedded-resource',
            mimeType: 'text/plain',
            text: 'This is an embedded resource content.',
          },
        },
      ],
    }),
  },
  {
    name: 'test_multiple_content_types',
    description: 'Answers with text, an image and an embedded resource',
    call: () => ({
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        { type: 'image', data: PNG, mimeType: 'image/png' },
        {
          type: 'resource',
          resource: {
            uri: 'test://mixed-content-resource',
            mimeType: 'application/json',
            text: JSON.stringify({ test: 'data', value: 123 }),
          },
        },
      ],
    }),
  },
  {
    name: 'test_error_handling',
    description: 'Always fails',
    call: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
  },
  {
    name: 'test_tool_with_progress',
    description: 'Reports progress three times',
    async call(_args, io) {
      for (const step of [0, 50, 100]) {
        await io.progress(step, 100);
        await pause(50, io.signal);
      }
      return text('Tool with progress executed successfully');
    },
  },
  {
    name: 'json_schema_2020_12_tool',
    description: 'Its input schema must survive word for word',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: {
          $anchor: 'addressDef',
          type: 'object',
          properties: { street: { type: 'string' }, city: { type: 'string' } },
        },
      },
      properties: {
        name: { type: 'string' },
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: { type: 'string' },
        email: { type: 'string' },
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
    call: (args) => text(`JSON Schema 2020-12 tool called with: ${JSON.stringify(args)}`),
  },
  {
    name: 'slow',
    description: 'Takes its time, and remembers whether it was cancelled',
    inputSchema: object({ seconds: { type: 'number' }, label: { type: 'string' } }, ['seconds', 'label']),
    async call({ seconds, label }, io) {
      try {
        for (let tenth = 1; tenth <= seconds * 10; tenth++) {
          await pause(100, io.signal);
          await io.progress(tenth, seconds * 10);
        }
      } catch (error) {
        cancelled.push(label);
        throw error;
      }
      return text(`slept ${seconds} s`);
    },
  },
  {
    name: 'cancelled',
    description: 'Lists the labels of the slow calls that were cancelled',
    call: () => text(JSON.stringify(cancelled)),
  },
];

/** The rich forms of the suite of 2025-11-25: the properties of each tool's question. */
export const FORMS = {
  test_elicitation_sep1034_defaults: {
    name: { type: 'string', description: 'User name', default: 'John Doe' },
    age: { type: 'integer', description: 'User age', default: 30 },
    score: { type: 'number', description: 'User score', default: 95.5 },
    status: { type: 'string', description: 'User status', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', description: 'Verification status', default: true },
  },
  test_elicitation_sep1330_enums: {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: { type: 'string', oneOf: titled('Option') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: {
      type: 'array',
      minItems: 1,
      maxItems: 3,
      items: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    },
    titledMulti: { type: 'array', minItems: 1, maxItems: 3, items: { anyOf: titled('Choice') } },
  },
};

function titled(noun) {
  return ['First', 'Second', 'Third'].map((nth, i) => ({ const: `value${i + 1}`, title: `${nth} ${noun}` }));
}

/** What a tool of the older suite says of an answered form. */
export const answered = ({ action, content }) =>
  text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`);

/** The tool one of whose arguments travels in a header, too: marks are part of a schema, whatever its server speaks. */
export const MARKED = {
  name: 'test_x_mcp_header',
  description: 'One argument travels in a header too',
  inputSchema: object({ region: { type: 'string', 'x-mcp-header': 'Region' }, level: { type: 'integer' } }),
  call: ({ region }) => text(`region=${region ?? '<none>'}`),
};

export const RESOURCES = [
  {
    uri: 'test://static-text',
    name: 'static-text',
    description: 'Plain text',
    mimeType: 'text/plain',
    content: { text: 'This is the content of the static text resource.' },
  },
  {
    uri: 'test://static-binary',
    name: 'static-binary',
    description: 'One red pixel',
    mimeType: 'image/png',
    content: { blob: PNG },
  },
  {
    uri: 'test://watched-resource',
    name: 'watched-resource',
    description: 'Worth a subscription',
    mimeType: 'text/plain',
    content: { text: 'Watched resource content' },
  },
];

export const TEMPLATE = {
  uriTemplate: 'test://template/{id}/data',
  name: 'template',
  description: 'One JSON document for every id',
  mimeType: 'application/json',
  content: (id) => ({ text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }),
};

const user = (content) => ({ role: 'user', content });

export const PROMPTS = [
  {
    name: 'test_simple_prompt',
    description: 'Takes no arguments',
    messages: () => [user({ type: 'text', text: 'This is a simple prompt for testing.' })],
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'Takes two arguments',
    arguments: ['arg1', 'arg2'],
    messages: ({ arg1, arg2 }) => [
      user({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` }),
    ],
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'Embeds the resource it is given',
    arguments: ['resourceUri'],
    messages: ({ resourceUri }) => [
      user({
        type: 'resource',
        resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
      }),
      user({ type: 'text', text: 'Please process the embedded resource above.' }),
    ],
  },
  {
    name: 'test_prompt_with_image',
    description: 'Carries an image',
    messages: () => [
      user({ type: 'image', data: PNG, mimeType: 'image/png' }),
      user({ type: 'text', text: 'Please analyze the image above.' }),
    ],
  },
];

/** Completes every argument from the same three words. */
export function complete(value) {
  const values = ['paris', 'park', 'party'].filter((word) => word.startsWith(value));
  return { completion: { values, total: values.length, hasMore: false } };
}
