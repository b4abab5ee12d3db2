using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Wire.OAuth;

/// <summary>Parameters and random text for the tests of this folder and of the grants.</summary>
internal static class Samples
{
    /// <summary>Text as a peer could mean it: valid UTF-16 without control characters.</summary>
    internal static readonly Gen<string> Text = ArbMap.Default.GeneratorFor<string>()
        .Select(text => string.Concat(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? "")).Where(c => !char.IsControl(c))));

    /// <summary>Octets that forms are made of, so that random joins get far into the readers.</summary>
    internal static readonly Gen<string> Pieces = Gen.Elements("a", "scope", "state", "=", "&", "%", "%2", "%41", "%00", "%C0%AF", "%ED%A0%80", "%F4%90%80%80",
        "+", ":", " ", "\0", "\r\n", "é", "\ud800", "http://127.0.0.1", "http://[::1]", "https://", "//", "@", "#", "com.example", "*", "65536", "-1", "\\").ArrayOf().Select(string.Concat);

    internal static readonly Gen<string?> Anything = Gen.OneOf<string?>(ArbMap.Default.GeneratorFor<string>().Select(text => (string?)text), Pieces.Select(text => (string?)text));

    internal static void Check<T>(Gen<T> inputs, Func<T, bool> holds) =>
        Prop.ForAll(inputs.ToArbitrary(), holds).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    internal static ParameterError ErrorOf(ReadOnlySpan<byte> form)
    {
        var read = ParameterList.TryRead(form, out var list, out var error);
        Assert.Equal(read, list is not null);
        Assert.Equal(read, error == ParameterError.None);
        return error;
    }

    internal static ParameterError ErrorOf(string form) => ErrorOf(Encoding.UTF8.GetBytes(form));

    internal static ParameterList Read(string form)
    {
        Assert.True(ParameterList.TryRead(Encoding.UTF8.GetBytes(form), out var list, out var error), error.ToString());
        return list;
    }
}
