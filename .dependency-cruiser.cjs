/**
 * Import rules: who may know whom. `core/api` is all that filters and plugins see of the core; the data plane knows no
 * vendor and no plugin; what wires everything together stands in `core/di` and `core/server`.
 */
const notTests = '\\.(test|fixture)\\.ts$';

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: [notTests, '^test/', '^bench/', '\\.d\\.ts$', '^core/index\\.ts$', '^core/main\\.ts$'],
      },
      to: {},
    },
    {
      name: 'api-knows-nothing',
      comment: 'contracts import nothing of ours',
      severity: 'error',
      from: { path: '^core/api/', pathNot: notTests },
      to: { path: '^(core/(?!api/)|filters|plugins|config)' },
    },
    {
      name: 'filter-sees-the-api-only',
      severity: 'error',
      from: { path: '^filters/([^/]+)/', pathNot: notTests },
      to: { path: '^(core|config|filters|plugins)/', pathNot: ['^core/api/', '^core/inference/', '^filters/$1/'] },
    },
    {
      name: 'plugin-sees-the-api-only',
      severity: 'error',
      from: { path: '^plugins/([^/]+)/', pathNot: [notTests, '-contract\\.ts$'] },
      to: { path: '^(core|config|filters|plugins)/', pathNot: ['^core/api/', '^core/inference/', '^plugins/$1/'] },
    },
    {
      name: 'http1-holds-no-socket',
      severity: 'error',
      from: { path: '^core/http1/', pathNot: notTests },
      to: { path: ['^(net|tls|http|http2|timers|fs)$', '^core/(?!api/|http1/)'] },
    },
    {
      name: 'http-layer',
      severity: 'error',
      from: { path: '^core/http/', pathNot: notTests },
      to: { path: '^(core/(cluster|server|di|listener|testing|cli)|filters|plugins|config)/' },
    },
    {
      name: 'cluster-layer',
      severity: 'error',
      from: { path: '^core/cluster/', pathNot: notTests },
      to: { path: '^(core/(http|server|di|listener|testing|cli)|filters|plugins|config)/' },
    },
    {
      name: 'config-layer',
      severity: 'error',
      from: { path: '^config/', pathNot: [notTests, '^config/generate-schema\\.ts$'] },
      to: { path: '^(core/(?!api/)|filters|plugins)' },
    },
    {
      name: 'tsyringe-only-in-di',
      severity: 'error',
      from: { pathNot: '^core/di/' },
      to: { path: 'node_modules/(tsyringe|reflect-metadata)' },
    },
    {
      name: 'http2-only-in-listener',
      severity: 'error',
      from: { pathNot: ['^core/listener/', '^(test|bench)/', notTests] },
      to: { path: '^http2$' },
    },
    {
      name: 'no-node-http',
      severity: 'error',
      from: { pathNot: ['^(test|bench)/', notTests] },
      to: { path: '^https?$' },
    },
    {
      name: 'undici-only-upstream',
      severity: 'error',
      from: { pathNot: ['^core/cluster/', '^plugins/backend/', '^(test|bench)/', notTests] },
      to: { path: 'node_modules/undici/' },
    },
    {
      name: 'testing-only-in-tests',
      severity: 'error',
      from: { pathNot: [notTests, '^core/testing/', '^test/', '-contract\\.ts$'] },
      to: { path: '^core/testing/' },
    },
    {
      name: 'no-dev-dependency',
      severity: 'error',
      from: { path: '^(core|filters|plugins|config)/', pathNot: [notTests, '-contract\\.ts$'] },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'default', 'types'] },
  },
};
