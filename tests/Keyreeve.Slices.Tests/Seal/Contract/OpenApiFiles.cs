using System.Collections.Concurrent;
using Keyreeve.Testing;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Keyreeve.Slices.Tests.Seal.Contract;

/// <summary>
/// 3GPP's OpenAPI files, in the folder "shared/openapi" beside the checkout: they are not ours to ship. References are followed
/// from file to file. A test that needs them is reported as not run where the folder is not there.
/// </summary>
public sealed class OpenApiFiles
{
    private readonly string _folder;
    private readonly ConcurrentDictionary<string, YamlMappingNode> _documents = new(StringComparer.Ordinal);

    private OpenApiFiles(string folder) => _folder = folder;

    /// <summary>The files, or null where they are not.</summary>
    public static OpenApiFiles? Find()
    {
        // A worktree may lie a folder deeper than the checkout.
        var root = Repository.Root();
        var folder = new[] { "../shared/openapi", "../../shared/openapi" }.Select(f => Path.GetFullPath(Path.Combine(root, f))).FirstOrDefault(Directory.Exists);
        return folder is null ? null : new(folder);
    }

    /// <summary>The files; without them the test is skipped.</summary>
    public static OpenApiFiles Require()
    {
        var found = Find();
        Assert.SkipWhen(found is null, "3GPP's OpenAPI files are not in ../shared/openapi beside the checkout");
        return found!;
    }

    /// <summary>The root of a file.</summary>
    public YamlPlace Open(string file) => new(this, file, _documents.GetOrAdd(file, Load));

    private YamlMappingNode Load(string file)
    {
        using var reader = new StreamReader(Path.Combine(_folder, Path.GetFileName(file)));
        var stream = new YamlStream();
        stream.Load(reader);
        return (YamlMappingNode)stream.Documents.Single().RootNode;
    }
}

/// <summary>A node and the file it stands in, so that its references can be followed.</summary>
public sealed record YamlPlace(OpenApiFiles Files, string File, YamlNode Node)
{
    /// <summary>The text of a scalar.</summary>
    public string Text => ((YamlScalarNode)Node).Value!;

    /// <summary>The members of a mapping, references followed.</summary>
    public IEnumerable<(string Name, YamlPlace Value)> Members => ((YamlMappingNode)Node).Children.Select(c => (((YamlScalarNode)c.Key).Value!, (this with { Node = c.Value }).Followed()));

    /// <summary>The items of a sequence, references followed.</summary>
    public IEnumerable<YamlPlace> Items => ((YamlSequenceNode)Node).Children.Select(c => (this with { Node = c }).Followed());

    /// <summary>A member, or null.</summary>
    public YamlPlace? this[string name] =>
        Node is YamlMappingNode mapping && mapping.Children.TryGetValue(new YamlScalarNode(name), out var value) ? (this with { Node = value }).Followed() : null;

    /// <summary>What a reference points to: "FILE#/a/b" or "#/a/b".</summary>
    private YamlPlace Followed()
    {
        if (Node is not YamlMappingNode mapping || !mapping.Children.TryGetValue(new YamlScalarNode("$ref"), out var reference))
            return this;
        var parts = ((YamlScalarNode)reference).Value!.Split('#');
        var place = Files.Open(parts[0].Length == 0 ? File : parts[0]);
        foreach (var step in parts[1].Split('/', StringSplitOptions.RemoveEmptyEntries))
            place = place[step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)] ?? throw new InvalidDataException($"{File}: {parts[1]} points nowhere");
        return place;
    }
}
