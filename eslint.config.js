/**
 * The project's rules. Next to the compiler's strictness these are its bans: who may touch the system, print, or end the
 * process. Each ban says why, since the message is all that most people will read of it.
 */
import tseslint from 'typescript-eslint';

const throughThePort =
  'Only src/kernel and src/observe touch the system: what goes around the kernel port is neither recorded, nor shown, nor undone.';
const files = ['fs', 'fs/promises', 'child_process'];
const network = ['net', 'http', 'http2', 'https', 'tls', 'dns', 'dgram'];
const system = [...files, ...network].flatMap((name) => [name, `node:${name}`]);

/** Ways to write that follow a link in a hostile tree. */
const careless = [
  'writeFile',
  'appendFile',
  'mkdir',
  'rm',
  'rename',
  'symlink',
  'chown',
  'chmod',
  'copyFile',
];

const bans = {
  exit: {
    selector: "MemberExpression[object.name='process'][property.name='exit']",
    message:
      'Only src/cli/main.ts (and the exporter) ends the process: elsewhere an exit would leave undone what must be undone.',
  },
  careless: {
    selector: `CallExpression[callee.name=/^(${careless.join('|')})(Sync)?$/], CallExpression[callee.property.name=/^(${careless.join('|')})Sync$/]`,
    message:
      'A path in a container may be a link to the host (CVE-2014-6407, CVE-2018-15664): go through the kernel port, beneath a descriptor.',
  },
};

export default tseslint.config(
  { ignores: ['dist/', 'build/', '.cache/', 'node_modules/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-async-promise-executor': 'error',
      'no-cond-assign': 'error',
      'no-control-regex': 'error',
      'no-empty-character-class': 'error',
      'no-fallthrough': 'error',
      'no-misleading-character-class': 'error',
      'no-self-assign': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-escape': 'error',
      'no-console': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      // A default is an answer too; without one, every case of a union has to be there.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // `typeof import('x')` is how a module that is loaded late gets its type.
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      // A step takes apart the context that it is given; those functions never ask for `this`, which the rule cannot see.
      '@typescript-eslint/unbound-method': 'off',
      // Numbers in messages are wanted: errnos, pids, descriptors.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `() => list.push(x)` and `() => log(x)` read well.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // A leading underscore says that it is there for the signature only.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // An async function without await keeps an interface's promise; a wrapper would only be longer.
      '@typescript-eslint/require-await': 'off',
      // The compiler's noPropertyAccessFromIndexSignature is off, and `process.env['X']` says that X may be absent.
      '@typescript-eslint/dot-notation': 'off',
    },
  },
  {
    files: ['src/**'],
    rules: {
      'no-console': 'off', // Said better by the next.
      'no-restricted-globals': [
        'error',
        {
          name: 'console',
          message:
            'Only src/cli/render prints, to the stream that it was given: standard output belongs to the container.',
        },
      ],
      'no-restricted-imports': [
        'error',
        { paths: system.map((name) => ({ name, message: throughThePort })) },
      ],
      'no-restricted-syntax': ['error', bans.exit],
    },
  },
  { files: ['src/kernel/**', 'src/observe/**'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['src/steps/**'], rules: { 'no-restricted-syntax': ['error', bans.exit, bans.careless] } },
  // The two programs.
  { files: ['src/cli/main.ts', 'src/trace/exporter.ts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['test/**'],
    rules: {
      // A test that finds nothing where it looks fails all the same, only with a worse message.
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  { files: ['**/*.mjs', '**/*.cjs', '**/*.js'], ...tseslint.configs.disableTypeChecked },
  { files: ['**/*.mjs', '**/*.cjs', '**/*.js'], rules: { 'no-console': 'off' } },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
